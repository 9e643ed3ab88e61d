"""The state in a sentence, and what to do about it: the same words on the page, in `status` and in alerts."""

from dataclasses import dataclass
from enum import StrEnum

from worker.journal.facts import BACKUP
from worker.journal.size_note import Fullness
from worker.login.expiry import TABLE, sentence
from worker.logs.counted import counted
from worker.logs.typed import as_typed
from worker.observe.humanise import clock, has, span, thousands, times
from worker.observe.phrase_tables import (
    COOLS,
    COUNT_MISLEADS,
    EXCHANGE_REFUSES,
    HALTS,
    NOT_REACHING,
    OTHER_HALT,
    REFUSED_PASSWORD,
    RESET,
    START,
    TROUBLES,
    WRONG_PASSWORD,
)
from worker.observe.size_words import advice, size_line
from worker.observe.view import CircuitView, LoginState, StatusView


class Tone(StrEnum):
    """How urgently a person is needed."""

    GOOD = "good"
    ATTENTION = "attention"
    """Nothing is stopped; somebody should look when there is time."""
    BAD = "bad"
    """No mail is worked on until something changes."""


@dataclass(frozen=True, slots=True)
class Headline:
    """The state. text: one or two sentences. advice: what a person does next, in order; empty: nothing."""

    tone: Tone
    text: str
    advice: tuple[str, ...] = ()


def headline(view: StatusView) -> Headline:
    """The state in a sentence or two. The first thing that stops the mail wins.

    Commands in it are named as they are typed in this installation.
    """
    found = _headline(view)
    advice = (*found.advice, START) if view.nobody_runs and START not in found.advice else found.advice
    return Headline(found.tone, as_typed(found.text), tuple(map(as_typed, advice)))


def headline_json(view: StatusView) -> dict[str, object]:
    """The same for programs, as `status --json` prints it."""
    found = headline(view)
    return {"tone": found.tone.value, "text": found.text, "advice": list(found.advice)}


def _headline(view: StatusView) -> Headline:
    if not view.journal_ok:
        return Headline(
            Tone.BAD,
            "Stopped: the journal can't be used. No mail is taken, and none is lost. Below is the last known state.",
            ("Check the disk of the state folder, or the database. The worker continues on its own.",),
        )
    if view.login.state is LoginState.HALTED:
        return _halted(view)
    if view.paused:
        return _paused(view)
    if view.login.state is LoginState.COOLING:
        return _cooling(view)
    if not view.live:
        return _stuck(view)
    if view.standing_by:
        return _standing_by(view)
    if view.nobody_runs:
        return _not_running(view)
    return _polling(view)


def _not_running(view: StatusView) -> Headline:
    polled = (
        "The mailbox has not been polled yet."
        if view.last_good_poll_at is None
        else f"The last good poll was {span(view.seconds_since(view.last_good_poll_at))} ago."
    )
    return Headline(Tone.ATTENTION, f"No worker is running. {polled} {_waiting(view)}", (START, *_looks(view)))


def _standing_by(view: StatusView) -> Headline:
    if not view.overdue:
        return Headline(Tone.GOOD, f"Standing by: {view.lease.holder} works on the mailbox.")
    looked = "has not polled yet" if view.look_age is None else f"last polled {span(view.look_age)} ago"
    return Headline(
        Tone.BAD,
        f"Standing by: {view.lease.holder} holds the lease, and {looked}. {_waiting(view)}",
        (
            "Check that process: read its log, or find out whether somebody left a command running.",
            "If it hangs, end it: this replica then takes over.",
        ),
    )


def _paused(view: StatusView) -> Headline:
    """During a pause only the login and the count of what has come show whether the mailbox can be reached."""
    pause = view.pause
    advice: tuple[str, ...]
    since = "" if pause.since is None else f" since {clock(pause.since)}, for {span(view.paused_seconds)} now"
    if pause.rebuild:
        restored = pause.by == BACKUP
        why = "the journal is a copy that was restored" if restored else "`journal rebuild` has not finished"
        what = f"Paused{since}: {why}."
        advice = (
            "Run `nhsmail-worker journal rebuild`: it enters what was handled since, and ends the pause."
            if restored
            else "If none is running, run `nhsmail-worker journal rebuild` again: it ends the pause.",
        )
    else:
        what = f"Paused by {pause.by or 'a person'}{since}."
        advice = ("`nhsmail-worker resume` lets the work go on.",)
    text = " ".join(part for part in (what, _arrived(view), _waiting(view)) if part)
    if not view.overdue:
        return Headline(Tone.ATTENTION, text, advice)
    trouble, look = TROUBLES.get(view.last_poll.trouble or "", NOT_REACHING)
    seen = f"The mailbox was last looked at {span(view.look_age or 0)} ago."
    return Headline(Tone.BAD, f"{text} {trouble.rstrip('.')}. {seen}", (*look, *advice))


def _arrived(view: StatusView) -> str:
    number = view.pause.arrived
    if number is None:
        return "Arrivals aren't counted yet."
    return f"{counted(number, 'message')} {has(number)} arrived since the last poll."


def _halted(view: StatusView) -> Headline:
    what, advice = HALTS.get(view.login.reason or "", OTHER_HALT)
    if _exchange_refuses(view):
        what, advice = EXCHANGE_REFUSES[0], (*EXCHANGE_REFUSES[1], RESET)
    given = {"failures": times(view.login.failures), "administrator": _administrator(view)}
    # If the account is shut, or the count isn't known, the number of attempts left would mislead.
    left = "" if view.login.reason in COUNT_MISLEADS else f" {_left(view)}"
    return Headline(
        Tone.BAD,
        f"Halted: {what.format(**given)}.{left}",
        tuple(step.format(**given) for step in advice),
    )


def _exchange_refuses(view: StatusView) -> bool:
    return view.sends_password_to_exchange and view.login.reason in REFUSED_PASSWORD


def _stuck(view: StatusView) -> Headline:
    hang = f"{counted(view.stuck, 'handler call')} {'does' if view.stuck == 1 else 'do'} not return"
    return Headline(
        Tone.BAD,
        f"Stuck: {hang if view.stuck else 'the worker makes no progress'}. {_waiting(view)}",
        (
            "Check the systems behind the handlers, and whether the handlers have a time limit.",
            "A restart helps: unfinished messages are tried again, one at a time.",
        ),
    )


def _cooling(view: StatusView) -> Headline:
    login = view.login
    why, advice = COOLS.get(login.reason or "", ("", WRONG_PASSWORD))
    if _exchange_refuses(view):
        what, steps = EXCHANGE_REFUSES
        why, advice = f"{what.format(failures=times(login.failures))}.", (*steps, WRONG_PASSWORD[1])
    failed = (
        f"Waiting after {counted(login.failures, 'failed login')}."
        if login.failures
        else "Waiting before the next login."
    )
    then = ""
    if login.next_attempt_at is not None:
        wait = max(0.0, (login.next_attempt_at - view.now).total_seconds())
        then = f"The next attempt is in {span(wait)}, at {clock(login.next_attempt_at)}."
    return Headline(
        Tone.BAD,
        " ".join(part for part in (why or failed, then, _left(view)) if part),
        tuple(step.format(administrator=_administrator(view)) for step in advice),
    )


def _polling(view: StatusView) -> Headline:
    if not view.overdue and _before_first_poll(view):
        return Headline(Tone.GOOD, "Starting. The mailbox has not been polled yet.")
    if view.overdue or not view.last_poll.ok:
        return _not_polling(view)
    polled = f"Last polled {span(view.seconds_since(view.last_good_poll_at or view.now))} ago."
    advice = tuple(_looks(view))
    if not advice:
        return Headline(Tone.GOOD, f"Working, and nothing needs a person. {polled} {_waiting(view)}")
    needed = "1 thing needs" if len(advice) == 1 else f"{len(advice)} things need"
    return Headline(Tone.ATTENTION, f"Working, but {needed} a person. {polled} {_waiting(view)}", advice)


def _before_first_poll(view: StatusView) -> bool:
    """Whether this process hasn't polled yet."""
    at = view.last_poll.at
    return at is None or (view.started_at is not None and at < view.started_at)


def _not_polling(view: StatusView) -> Headline:
    """The last poll failed, or is overdue. Only if that lasts does it stop the mail."""
    what, advice = TROUBLES.get(view.last_poll.trouble or "", NOT_REACHING)
    since = (
        "No poll has succeeded yet."
        if view.last_good_poll_at is None
        else f"The last good poll was {span(view.seconds_since(view.last_good_poll_at))} ago."
    )
    text = f"{what.rstrip('.')}. {since} {_waiting(view)}"
    return Headline(Tone.BAD if view.overdue else Tone.ATTENTION, text, advice)


def _looks(view: StatusView) -> list[str]:
    looks = []
    if view.messages.failed:
        looks.append(f"{counted(view.messages.failed, 'dead letter')} to look at: `nhsmail-worker failed list`.")
    if view.junk_of_known_senders:
        looks.append(f"{view.junk_of_known_senders} of the junk came from known senders: `nhsmail-worker junk list`.")
    if view.unexplained:
        looks.append(
            f"{view.unexplained} of the handled mail isn't this worker's. Another worker may be running: see the "
            "runbook."
        )
    looks += [
        f"{sentence(one.thing, one.days_left)} {TABLE[one.thing].do}"
        for one in view.expiries
        if one.due is not None and one.days_left is not None
    ]
    if view.mailbox is not None and view.fullness is not Fullness.FINE:
        looks.append(f"The mailbox holds {size_line(view.mailbox)} {advice(view.fullness)}")
    if view.messages.oldest_pending_seconds > view.oldest_message_limit:
        looks.append(
            f"A message has been waiting for {span(view.messages.oldest_pending_seconds)}. Check the handlers, and "
            "look for `message.retry` in the log."
        )
    if view.stuck:
        looks.append(
            f"{counted(view.stuck, 'handler call')} {has(view.stuck)} not returned for too long: check the system "
            "behind the handler."
        )
    looks += [_handler(circuit) for circuit in view.circuits if circuit.open]
    return looks


def _handler(circuit: CircuitView) -> str:
    if circuit.not_built is None:
        return f"Handler {circuit.handler} keeps failing; its mail waits."
    return (
        f"Handler {circuit.handler} can't be started yet ({circuit.not_built}); the worker tries again, and its mail "
        "waits."
    )


def _left(view: StatusView) -> str:
    login = view.login
    return (
        f"{login.left_of_account} of the account's {counted(login.threshold, 'attempt')} are left, {login.remaining} "
        "of them for the worker."
    )


def _waiting(view: StatusView) -> str:
    pending = view.messages.pending
    if not pending or view.messages.oldest_pending_seconds < 60:
        return f"{thousands(pending)} waiting."
    return f"{thousands(pending)} waiting, the oldest for {span(view.messages.oldest_pending_seconds)}."


def _administrator(view: StatusView) -> str:
    return view.help.local_administrator or "your Local Administrator"
