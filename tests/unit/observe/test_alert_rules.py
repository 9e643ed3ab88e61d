"""Which states a person is told of."""

from dataclasses import replace

import pytest

from tests.unit.observe import views
from worker.observe.alert_rules import Limits, firing
from worker.observe.alerts import Rule
from worker.observe.view import CircuitView, LoginView, PasswordView, StatusView


@pytest.mark.parametrize(
    ("view", "rules"),
    [
        (views.WORKING, {}),
        (views.FRESH, {}),
        (views.HALTED, {Rule.HALTED: 5, Rule.COOLING_TWICE: 5}),
        (views.COOLING, {Rule.COOLING_TWICE: 2}),
        (replace(views.COOLING, login=replace(views.COOLING.login, failures=1)), {}),
        (replace(views.WORKING, login=LoginView(failures=2)), {Rule.COOLING_TWICE: 2}),
        (replace(views.WORKING, password=PasswordView(days_left=14)), {Rule.PASSWORD_EXPIRING: 14}),
        (replace(views.WORKING, password=PasswordView(days_left=15)), {}),
        (views.OVERDUE, {Rule.NOT_POLLING: 600}),
        (replace(views.OVERDUE, paused=True), {}),
        (views.messages(oldest_pending_seconds=3601), {Rule.OLDEST_MESSAGE: 3601}),
        (views.messages(oldest_pending_seconds=3600), {}),
        (views.messages(failed=1), {Rule.DEAD_LETTERS: 1}),
        (replace(views.WORKING, junk_of_known_senders=3), {Rule.JUNK_OF_KNOWN_SENDER: 3}),
        (replace(views.WORKING, circuits=(CircuitView(handler="a", open=True),)), {Rule.HANDLER_FAILING: 1}),
        (views.NO_JOURNAL, {Rule.JOURNAL: None}),
        (replace(views.HALTED, journal_ok=False), {Rule.JOURNAL: None}),
    ],
)
def test_what_a_person_is_told_of(view: StatusView, rules: dict[Rule, int | None]) -> None:
    assert firing(view, Limits()) == rules
