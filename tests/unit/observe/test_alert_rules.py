"""Which states a person is told of."""

from dataclasses import replace

import pytest

from tests.unit.observe import views
from worker.login.expiry import Thing
from worker.observe.alert_rules import Limits, firing, named_by
from worker.observe.alerts import EXPIRING, Rule
from worker.observe.named_view import NamedView
from worker.observe.view import (
    CircuitView,
    ExpiryView,
    ListedView,
    LoginView,
    PauseView,
    StatusView,
)


@pytest.mark.parametrize(
    ("view", "rules"),
    [
        (views.WORKING, {}),
        (views.FRESH, {}),
        (views.HALTED, {Rule.HALTED: 5, Rule.COOLING_TWICE: 5}),
        (views.COOLING, {Rule.COOLING_TWICE: 2}),
        (replace(views.COOLING, login=replace(views.COOLING.login, failures=1)), {}),
        (replace(views.WORKING, login=LoginView(failures=2)), {Rule.COOLING_TWICE: 2}),
        (replace(views.WORKING, expiries=(views.expiring(30),)), {Rule.PASSWORD_EXPIRING: 30}),
        (replace(views.WORKING, expiries=(views.expiring(30.1),)), {}),
        (replace(views.WORKING, expiries=(views.expiring(-0.1),)), {Rule.PASSWORD_EXPIRING: -1}),
        (replace(views.WORKING, expiries=(views.of_sign_in(59.9),)), {}),
        (replace(views.WORKING, expiries=(views.of_sign_in(60),)), {Rule.REFRESH_TOKEN_EXPIRING: 30}),
        (
            replace(views.WORKING, expiries=tuple(views.expiring(3, thing) for thing in Thing)),
            {EXPIRING[thing]: 3 for thing in Thing},
        ),
        (replace(views.WORKING, expiries=(ExpiryView(thing=Thing.CLIENT_SECRET),)), {}),
        (views.OVERDUE, {Rule.NOT_POLLING: 600}),
        (replace(views.OVERDUE, paused=True), {}),
        (views.FORGOTTEN, {Rule.PAUSED: 93_600}),
        (replace(views.FORGOTTEN, pause=PauseView(since=views.ago(3600), counted_at=views.NOW)), {}),
        (replace(views.FORGOTTEN, pause=PauseView(since=views.ago(3601), counted_at=views.NOW)), {Rule.PAUSED: 3601}),
        (views.PAUSED_AND_CUT_OFF, {Rule.PAUSED: 93_600, Rule.NOT_POLLING: 7300}),
        (views.messages(oldest_pending_seconds=3601), {Rule.OLDEST_MESSAGE: 3601}),
        (views.messages(oldest_pending_seconds=3600), {}),
        (views.messages(failed=1), {Rule.DEAD_LETTERS: 1}),
        (replace(views.WORKING, junk_of_known_senders=3), {Rule.JUNK_OF_KNOWN_SENDER: 3}),
        (replace(views.WORKING, unexplained=2), {Rule.ANOTHER_WORKER: 2}),
        (views.FILLING, {Rule.MAILBOX_FILLING: 82}),
        (views.FULL, {Rule.MAILBOX_FILLING: 100, Rule.MAILBOX_FULL: 100}),
        (replace(views.WORKING, circuits=(CircuitView(handler="a", open=True),)), {Rule.HANDLER_FAILING: 1}),
        (views.NO_JOURNAL, {Rule.JOURNAL: None}),
        (replace(views.HALTED, journal_ok=False), {Rule.JOURNAL: None}),
    ],
)
def test_what_a_person_is_told_of(view: StatusView, rules: dict[Rule, int | None]) -> None:
    assert firing(view, Limits()) == rules


def test_each_rule_that_speaks_of_handlers_or_messages_names_them() -> None:
    keys = tuple(letter * 26 for letter in "abcde")
    view = replace(
        views.WORKING,
        circuits=(CircuitView(handler="archive", open=True), CircuitView(handler="well")),
        dead_letters=tuple(ListedView(key=key, since=views.NOW) for key in keys),
        named=NamedView(oldest_pending=keys[:2], known_junk=keys[2:3], stuck_handlers=("send",), stuck_keys=keys[3:]),
    )
    found = {rule: named_by(rule, view) for rule in Rule}
    assert {rule: names for rule, names in found.items() if names != ((), ())} == {
        Rule.HANDLER_FAILING: (("archive",), ()),
        Rule.HANDLERS_STUCK: (("send",), keys[3:]),
        Rule.DEAD_LETTERS: ((), keys),
        Rule.JUNK_OF_KNOWN_SENDER: ((), keys[2:3]),
        Rule.OLDEST_MESSAGE: ((), keys[:1]),
    }
