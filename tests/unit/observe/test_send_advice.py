"""Whatever goes wrong with an alert, a person is told what happened, what it means and what to do."""

import pytest

from worker.login.sending import Hindrance
from worker.observe.send_advice import WAYS, Way, in_words, possible, told
from worker.observe.send_failure import Why

NAMES = {
    "server": "smtp.example:587",
    "table": "[alerts.x]",
    "account": "a@nhs.net",
    "who": "your Local Administrator",
    "helpdesk": "the helpdesk",
    "relay_helpdesk": "the relay helpdesk",
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("why", Why)
def test_all_three_are_said_in_whole_sentences(way: Way, why: Why) -> None:
    found = told(way, why)
    for text in (found.happened, found.means, found.do):
        said = in_words(text, **NAMES)
        assert "{" not in said
        assert said[:1].isupper() or said.startswith("smtp.example")
        assert said[-1] in ".?" or said.endswith("allow_clear = true")


def test_every_failure_belongs_to_a_way() -> None:
    assert {why for way in WAYS for why in possible(way)} == set(Why)


def test_whatever_hinders_the_sign_in_has_words_of_its_own() -> None:
    other = told("submission", Why.OTHER)
    assert all(told("submission", Why(one.value)) != other for one in Hindrance)


def test_a_sentence_begins_with_a_capital() -> None:
    assert in_words("{server} is away.", server="the relay") == "The relay is away."
    assert in_words("{server} is away.", server="relay.example:25") == "relay.example:25 is away."
