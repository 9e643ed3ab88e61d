"""The state in a sentence."""

from dataclasses import replace

import pytest

from tests.unit.observe import views
from worker.login.expiry import TABLE, Thing, sentence
from worker.login.standing import Reason
from worker.logs.typed import VARIABLE
from worker.mailbox.login_failures import HALTING
from worker.observe.phrases import Tone, headline, headline_json
from worker.observe.view import HelpView, LeaseView, LoginState, LoginView, StatusView


@pytest.mark.parametrize(
    ("view", "tone", "text"),
    [
        (views.FRESH, Tone.GOOD, "Starting. The mailbox has not been polled yet."),
        (
            replace(views.FRESH, started_at=None),
            Tone.ATTENTION,
            "No worker is running. The mailbox has not been polled yet. 0 waiting.",
        ),
        (
            replace(views.OVERDUE, started_at=None, lease=LeaseView()),
            Tone.ATTENTION,
            "No worker is running. The last good poll was 10 min ago. 0 waiting.",
        ),
        (views.WORKING, Tone.GOOD, "Working, and nothing needs a person. Last polled 12 s ago. 0 waiting."),
        (
            views.HALTED,
            Tone.BAD,
            (
                "Halted: this password was rejected 5 times. 7 of the account's 12 attempts are left, "
                "3 of them for the worker."
            ),
        ),
        (
            views.COOLING,
            Tone.BAD,
            (
                "Waiting after 2 failed logins. The next attempt is in 9 min, at 23 Nov 14:14 UTC. "
                "10 of the account's 12 attempts are left, 6 of them for the worker."
            ),
        ),
        (
            views.BACKLOG,
            Tone.ATTENTION,
            "Working, but 7 things need a person. Last polled 12 s ago. 8,113 waiting, the oldest for 7 h.",
        ),
        (
            views.NOT_BUILT,
            Tone.ATTENTION,
            "Working, but 1 thing needs a person. Last polled 12 s ago. 0 waiting.",
        ),
        (views.STANDING_BY, Tone.GOOD, "Standing by: two works on the mailbox."),
        (
            views.LEFT_RUNNING,
            Tone.BAD,
            "Standing by: once:4711 holds the lease, and last polled 2 h ago. 0 waiting.",
        ),
        (views.PAUSED, Tone.ATTENTION, "Paused by a person. Arrivals aren't counted yet. 0 waiting."),
        (
            views.FORGOTTEN,
            Tone.ATTENTION,
            (
                "Paused by ann@pathology-3 since 22 Nov 12:05 UTC, for 26 h now. "
                "1,204 messages have arrived since the last poll. 0 waiting."
            ),
        ),
        (
            views.PAUSED_AND_CUT_OFF,
            Tone.BAD,
            (
                "Paused by ann@pathology-3 since 22 Nov 12:05 UTC, for 26 h now. 1,204 messages have arrived since the "
                "last poll. 0 waiting. The mail server can't be reached, or ends the connection. The mailbox was "
                "last looked at 2 h ago."
            ),
        ),
        (
            views.HALF_REBUILT,
            Tone.ATTENTION,
            (
                "Paused since 22 Nov 12:05 UTC, for 26 h now: `journal rebuild` has not finished. Arrivals aren't "
                "counted yet. 0 waiting."
            ),
        ),
        (views.OVERDUE, Tone.BAD, "Not reaching the mailbox. The last good poll was 10 min ago. 0 waiting."),
        (
            views.FAILING,
            Tone.ATTENTION,
            (
                "The mail server's certificate isn't trusted, so nothing was sent to it. "
                "The last good poll was 50 s ago. 0 waiting."
            ),
        ),
        (
            views.STUCK,
            Tone.BAD,
            "Stuck: 4 handler calls do not return. 8,113 waiting, the oldest for 7 h.",
        ),
        (
            views.THROTTLED,
            Tone.BAD,
            (
                "The mail server asked for a pause. The next attempt is in 4 min, at 23 Nov 14:09 UTC. "
                "12 of the account's 12 attempts are left, 8 of them for the worker."
            ),
        ),
        (
            views.NO_JOURNAL,
            Tone.BAD,
            "Stopped: the journal can't be used. No mail is taken, and none is lost. Below is the last known state.",
        ),
    ],
)
def test_the_state_is_one_sentence_or_two(view: StatusView, tone: Tone, text: str) -> None:
    assert (headline(view).tone, headline(view).text) == (tone, text)


@pytest.mark.parametrize("name", [name for name, view in views.ALL.items() if headline(view).tone is not Tone.GOOD])
def test_whatever_is_not_well_comes_with_what_to_do(name: str) -> None:
    advice = headline(views.ALL[name]).advice
    assert advice
    assert all(step.endswith((".", "`.")) and "{" not in step for step in advice)


def test_a_halt_for_an_unknown_reason_is_told_too() -> None:
    login = LoginView(state=LoginState.HALTED, failures=8, remaining=0, remaining_for_credential=1, reason="new-word")
    told = headline(replace(views.WORKING, login=login, help=HelpView(local_administrator="the desk, 0100")))
    assert told.text.startswith("Halted: the worker has no login attempts left")
    assert told.advice[0] == "Ask the desk, 0100 whether the account is locked."


def test_what_failed_before_this_process_began_is_not_its_trouble() -> None:
    before = replace(views.FAILING, started_at=views.ago(1))
    assert headline(before).text == "Starting. The mailbox has not been polled yet."
    assert "certificate" in headline(replace(views.FAILING, started_at=None)).text


def test_a_stuck_handler_beside_others_that_work_is_something_to_look_at() -> None:
    told = headline(replace(views.WORKING, stuck=1))
    assert (told.tone, told.text.partition(".")[0]) == (Tone.ATTENTION, "Working, but 1 thing needs a person")
    assert told.advice == ("1 handler call has not returned for too long: check the system behind the handler.",)


@pytest.mark.parametrize("reason", ["locked", "disabled", "journal"])
def test_what_is_left_of_an_account_that_is_shut_is_not_said(reason: str) -> None:
    login = LoginView(state=LoginState.HALTED, failures=1, remaining=7, reason=reason)
    assert "attempts are left" not in headline(replace(views.WORKING, login=login)).text


def test_a_password_that_has_expired_is_said_to_have() -> None:
    view = replace(views.WORKING, expiries=(views.expiring(-1.5),))
    assert headline(view).advice == (f"The password has expired. {TABLE[Thing.PASSWORD].do}",)


def test_each_thing_that_expires_soon_is_said_with_what_to_do() -> None:
    view = replace(views.WORKING, expiries=tuple(views.expiring(5, thing) for thing in Thing))
    found = headline(view)
    assert found.tone is Tone.ATTENTION
    assert found.advice == tuple(f"{sentence(thing, 5)} {TABLE[thing].do}" for thing in Thing)
    assert headline(replace(view, expiries=tuple(views.expiring(31, thing) for thing in Thing))).advice == ()


@pytest.mark.parametrize("reason", sorted({*HALTING, *Reason, "policy"} - {Reason.BUDGET, Reason.UNANSWERED}))
def test_every_reason_to_halt_has_words_of_its_own(reason: str) -> None:
    login = replace(views.HALTED.login, reason=str(reason))
    other = replace(views.HALTED.login, reason=str(Reason.BUDGET))
    assert headline(replace(views.HALTED, login=login)).text != headline(replace(views.HALTED, login=other)).text


def test_mail_that_waits_too_long_is_something_to_look_at_whatever_holds_it() -> None:
    """All messages may be put off, by an order or by waits, and the worker polls as if all were well."""
    view = views.messages(pending=3, oldest_pending_seconds=7 * 3600)
    told = headline(view)
    assert (told.tone, told.text) == (
        Tone.ATTENTION,
        "Working, but 1 thing needs a person. Last polled 12 s ago. 3 waiting, the oldest for 7 h.",
    )
    assert told.advice[0].startswith("A message has been waiting for 7 h")
    assert headline(replace(view, oldest_message_limit=8 * 3600.0)).tone is Tone.GOOD


@pytest.mark.parametrize("state", [LoginState.COOLING, LoginState.HALTED])
@pytest.mark.parametrize("reason", ["rejected", "credential", "budget"])
def test_a_password_that_exchange_online_refused_is_most_likely_none_that_it_takes(
    state: LoginState, reason: str
) -> None:
    login = LoginView(state=state, failures=2, remaining=6, reason=reason)
    elsewhere = headline(replace(views.WORKING, login=login))
    there = headline(replace(views.WORKING, login=login, sends_password_to_exchange=True))
    assert (
        "Exchange Online refused the password 2 times, most likely because it accepts no passwords over IMAP."
        in there.text
    )
    assert "`account.auth`" in there.advice[0]
    assert "whether IMAP is on" in there.advice[1]
    assert ("login reset" in there.advice[-1]) is (state is LoginState.HALTED)
    assert "Exchange" not in elsewhere.text
    assert there.text != elsewhere.text


def test_a_refused_registration_sends_people_to_what_was_answered() -> None:
    """It is mostly the sign-in service's answer, such as a secret that is over: no other way to log in helps."""
    login = LoginView(state=LoginState.HALTED, failures=0, remaining=8, reason="configuration")
    told = headline(replace(views.WORKING, login=login))
    assert "the sign-in service" in told.text
    assert "`nhsmail-worker login status`" in told.advice[0]


@pytest.mark.parametrize("reason", ["locked", "lost_after_sending", "oauth_only", "policy"])
def test_other_reasons_read_the_same_at_exchange_online(reason: str) -> None:
    login = LoginView(state=LoginState.HALTED, failures=2, remaining=6, reason=reason)
    view = replace(views.WORKING, login=login)
    assert headline(replace(view, sends_password_to_exchange=True)) == headline(view)


@pytest.mark.parametrize("view", [views.HALTED, views.FORGOTTEN, views.COOLING, views.BACKLOG])
def test_where_no_worker_runs_the_way_to_start_one_is_said(view: StatusView) -> None:
    nobody = replace(view, started_at=None, lease=LeaseView())
    assert sum("`nhsmail-worker run`" in step for step in headline(nobody).advice) == 1
    assert not any("`nhsmail-worker run`" in step for step in headline(view).advice)
    beside = replace(view, started_at=None, lease=LeaseView(holder="one", expires_at=views.NOW))
    assert headline(beside) == headline(view)


def test_commands_are_named_as_they_are_typed_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, ".venv/bin/nhsmail-worker demo")
    assert (
        headline(views.BACKLOG).advice[0] == "2 dead letters to look at: `.venv/bin/nhsmail-worker demo failed list`."
    )


def test_programs_read_the_same_sentence() -> None:
    head = headline(views.FILLING)
    assert headline_json(views.FILLING) == {"tone": "attention", "text": head.text, "advice": list(head.advice)}
