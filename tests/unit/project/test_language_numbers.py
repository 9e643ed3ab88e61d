"""Whatever states a number agrees with it, tried with none, one and two."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from tests.unit.observe import views
from tests.unit.project.plain_words import BANNED, DISAGREES
from worker.login.expiry import Thing, sentence
from worker.observe.alerts import Alert, Phase, Rule
from worker.observe.digest import Digest
from worker.observe.expiry_lines import expiry_line
from worker.observe.phrases import headline
from worker.observe.size_words import prospect
from worker.pipeline.old_mail import Backlog, OldMail

NUMBERS = (0, 1, 2)
AT = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)


def _of_alerts(number: int) -> Iterator[str]:
    for rule in Rule:
        alert = Alert(rule, Phase.FIRING, "a@nhs.net", AT, number)
        yield from (alert.title, alert.text, alert.do)


def _of_the_page(number: int) -> Iterator[str]:
    login = replace(views.COOLING.login, failures=number)
    for view in (
        replace(views.COOLING, login=login),
        replace(views.HALTED, login=login),
        replace(views.FORGOTTEN, pause=replace(views.FORGOTTEN.pause, arrived=number)),
        replace(views.WORKING, stuck=number, unexplained=number, junk_of_known_senders=number),
        replace(views.messages(failed=number, pending=number), live=True),
        replace(views.WORKING, live=False, stuck=number),
    ):
        found = headline(view)
        yield from (found.text, *found.advice)


def _of_the_rest(number: int) -> Iterator[str]:
    digest = Digest(
        account="a@nhs.net",
        at=AT,
        junk=number,
        new=number,
        released=number,
        by_source=(),
        by_age=(),
        known=(),
        known_count=number,
    )
    yield from (digest.title, digest.text, digest.do, prospect(number), prospect(None))
    yield from (sentence(thing, number) for thing in Thing)
    yield expiry_line(views.expiring(number + 0.5), views.NOW)
    yield Backlog((OldMail("INBOX", number, date(2026, 11, 1)),)).text()


@pytest.mark.parametrize("number", NUMBERS)
def test_alerts_the_page_and_the_rest_agree_with_their_numbers(number: int) -> None:
    texts = [*_of_alerts(number), *_of_the_page(number), *_of_the_rest(number)]
    assert len(texts) > 60
    assert [text for text in texts if DISAGREES.search(text)] == []
    assert [text for text in texts for pattern, _ in BANNED if pattern.search(text)] == []


def test_some_of_them_state_the_number() -> None:
    """Otherwise the test above would hold of texts without any."""
    texts = [*_of_alerts(1), *_of_the_page(1), *_of_the_rest(1)]
    assert len([text for text in texts if "1 " in text]) > 10
