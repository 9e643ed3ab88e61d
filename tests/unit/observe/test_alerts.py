"""An alert: nothing in it but words of ours, numbers and times."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.observe import views
from worker.login.expiry import TABLE
from worker.logs.redaction import Content
from worker.observe.alerts import EXPIRING, Alert, Phase, Rule, as_json

ACCOUNT = views.WORKING.account

AT = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)

ANYTHING = st.one_of(st.text(), st.builds(Content, st.text()), st.booleans(), st.none(), st.binary(), st.floats())


@given(
    place=st.sampled_from(["rule", "phase", "at", "number", "account", "handlers", "keys"]),
    value=ANYTHING,
)
def test_an_alert_cannot_hold_content(place: str, value: Any) -> None:
    whole: dict[str, Any] = {"rule": Rule.HALTED, "phase": Phase.FIRING, "account": ACCOUNT, "at": AT, "number": 1}
    if place == "number" and value is None:
        return
    if place in ("handlers", "keys"):
        value = (value,)
        if place == "handlers" and isinstance(value[0], str) and re.fullmatch(r"[A-Za-z0-9_.:-]{1,128}", value[0]):
            return
    with pytest.raises(TypeError):
        Alert(**whole | {place: value})


@pytest.mark.parametrize("rule", Rule)
@pytest.mark.parametrize("number", [None, 1, 12, 90_000])
def test_every_rule_says_what_it_means_and_what_to_do(rule: Rule, number: int | None) -> None:
    alert = Alert(rule, Phase.FIRING, ACCOUNT, AT, number)
    over = Alert(rule, Phase.RESOLVED, ACCOUNT, AT)
    for words in (alert.text, alert.do, over.text):
        assert words.endswith((".", "?"))
    assert over.title == f"Over: {alert.title}"
    assert over.do == ""
    assert set(as_json(alert)) == {
        *("rule", "state", "account", "at", "number"),
        *("handlers", "keys", "title", "text", "do"),
    }


def test_the_alert_of_each_thing_that_expires_is_the_tables() -> None:
    assert {rule for rule in Rule if rule.value.endswith("-expiring")} == set(EXPIRING.values())
    for thing, rule in EXPIRING.items():
        alert = Alert(rule, Phase.FIRING, ACCOUNT, AT, 3)
        row = TABLE[thing]
        assert (alert.text, alert.do) == (f"{row.noun} expires in 3 days.", row.do)
        assert Alert(rule, Phase.RESOLVED, ACCOUNT, AT).text == row.over


def test_a_public_clients_alert_says_beforehand_that_the_change_means_a_new_sign_in() -> None:
    alert = Alert(Rule.PUBLIC_CLIENT_PASSWORD_EXPIRING, Phase.FIRING, ACCOUNT, AT, 30)
    assert "Plan a new sign-in" in alert.do
    assert "`nhsmail-worker login authorise`" in alert.do


def test_numbers_are_told_in_words() -> None:
    say: Callable[[Rule, int], str] = lambda rule, number: Alert(rule, Phase.FIRING, ACCOUNT, AT, number).text  # noqa: E731 -- short
    assert say(Rule.PASSWORD_EXPIRING, 1) == "The password expires in 1 day."
    assert say(Rule.PASSWORD_EXPIRING, -1) == "The password has expired."
    assert say(Rule.CLIENT_CERTIFICATE_EXPIRING, 30) == "The application's certificate expires in 30 days."
    assert say(Rule.REFRESH_TOKEN_EXPIRING, 0) == "The unused sign-in expires within a day."
    assert say(Rule.OLDEST_MESSAGE, 7200) == "The oldest unfinished message has been waiting for 2 h."
    assert say(Rule.DEAD_LETTERS, 2) == "2 dead letters wait for a person, kept whole."
    assert say(Rule.HANDLERS_STUCK, 1) == "1 handler call has not returned for too long: its message waits."
    assert say(Rule.HANDLERS_STUCK, 2) == "2 handler calls have not returned for too long: their messages wait."


def test_an_alert_names_its_handlers_and_the_first_keys() -> None:
    keys = tuple(letter * 26 for letter in "abcdefg")
    alert = Alert(Rule.DEAD_LETTERS, Phase.FIRING, ACCOUNT, AT, 19, (), keys)
    assert alert.text.endswith(f" Keys: {', '.join(keys[:5])}, and 14 more.")
    assert (as_json(alert)["handlers"], as_json(alert)["keys"]) == ([], list(keys[:5]))
    one = Alert(Rule.DEAD_LETTERS, Phase.FIRING, ACCOUNT, AT, 1, (), keys[:1])
    assert one.text == f"1 dead letter waits for a person, kept whole. Key: {keys[0]}."
    failing = Alert(Rule.HANDLER_FAILING, Phase.FIRING, ACCOUNT, AT, 2, ("archive", "ward.filing:handle"))
    assert failing.text.endswith(" Handlers: archive, ward.filing:handle.")
    stuck = Alert(Rule.HANDLERS_STUCK, Phase.FIRING, ACCOUNT, AT, 3, ("archive",), keys[:3])
    assert stuck.text.endswith(f" Handler: archive. Keys: {', '.join(keys[:3])}.")


def test_what_is_over_names_nobody() -> None:
    over = Alert(Rule.DEAD_LETTERS, Phase.RESOLVED, ACCOUNT, AT, None, (), ("a" * 26,))
    assert over.text == "No dead letters are left."
