"""The state in a sentence, and what to do about it: the same words on the page, in `status` and in alerts."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from worker.observe.humanise import clock, count, has, span, thousands, times
from worker.observe.view import LoginState, StatusView


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


_UNLOCK: Final = "Then have the account unlocked, and run `nhsmail-worker login reset --reason …`."
_RESET: Final = "Then run `nhsmail-worker login reset --reason …`."
_CHANGE: Final = "Change the password of the account, then put it where the worker reads it: it goes on by itself."
_RING: Final = "If the account doesn't let you, it may be locked: ring {administrator}."
_HALTS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "rejected": (
        "this password was rejected {failures}",
        (_CHANGE, _RING),
    ),
    "credential": ("the password was rejected {failures}", (_CHANGE, _RING)),
    "policy": (
        "the password breaks the password policy, so it can't be right and wasn't sent",
        ("Put the account's right password where the worker reads it: it goes on by itself.",),
    ),
    "journal": (
        "the journal may have forgotten login attempts, so none is made",
        ("Ask {administrator} whether the account is locked.", _UNLOCK),
    ),
    "locked": ("the server says that the account is locked", ("Ring {administrator}.", _UNLOCK)),
    "disabled": ("the server says that the account is disabled", ("Ring {administrator}.", _UNLOCK)),
    "expired": (
        "the password has expired",
        (_CHANGE, _RING),
    ),
    "configuration": (
        "the server doesn't accept this way of signing in",
        (
            "Set `account.auth` to a way that the mailbox allows (usually OAuth 2.0), and restart.",
            "Ask {administrator} whether IMAP is allowed for this mailbox.",
        ),
    ),
    "protocol": ("the server doesn't understand the worker", ("Report it: it is a fault of the worker.",)),
    "sign_in_again": (
        "the sign-in has ended",
        (
            "Run `nhsmail-worker login authorise` and sign in again.",
            "Where no person signs in, `nhsmail-worker login status` says what to do.",
        ),
    ),
    "token": (
        "the server rejected the worker's tokens as often as it tries",
        ("Ask {administrator} whether the application may still read this mailbox.", _RESET),
    ),
    "token_rejected": (
        "the server rejected the worker's token {failures}",
        ("Ask {administrator} whether the application may still read this mailbox.",),
    ),
}
_COUNT_MISLEADS: Final = frozenset({"locked", "disabled", "journal"})
_OTHER_HALT: Final = (
    "the attempts that the worker may use are spent, or must not be used ({failures} failed)",
    ("Ask {administrator} whether the account is locked.", _UNLOCK),
)

_WRONG_PASSWORD: Final = (
    "Check that the password which the worker reads is the account's present one.",
    "Don't restart the worker: it doesn't shorten the wait.",
)
_PASSES: Final = "Nothing at once: it passes by itself, and costs no attempt."
_COOLS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "throttled": (
        "The mail server asked for a pause.",
        (_PASSES, "If it goes on for an hour, find out what else uses this mailbox over IMAP."),
    ),
    "unavailable": (
        "The mail server can't answer logins now.",
        (_PASSES, "If it goes on for an hour, look at the mail service's own status page."),
    ),
    "lost_before_sending": (
        "The connection ended before the login.",
        (_PASSES, "If it goes on for an hour, look at the network and the firewall."),
    ),
    "lost_after_sending": (
        "",
        (
            "Look at the network: the connection ended before the login was answered.",
            "A password that was sent then counts as rejected, a token doesn't.",
        ),
    ),
    "token_expired": ("The token has run out.", (_PASSES,)),
    "token_rejected": (
        "",
        ("Ask {administrator} whether the application may still read this mailbox.", _WRONG_PASSWORD[1]),
    ),
}
_TROUBLES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "unreachable": (
        "The mail server can't be reached, or ends the connection",
        ("Look at the network, at the firewall to the mail server, and at the mail service's own status page.",),
    ),
    "certificate": (
        "The mail server's certificate isn't trusted, so nothing was sent to it",
        (
            "Find out who answers there: `account.host` may be wrong, or a proxy may present a certificate of its own.",
            "Where that is meant, name its authority in `account.ca_file`, and restart.",
        ),
    ),
    "throttled": _COOLS["throttled"],
    "mailbox": (
        "The mailbox isn't as the settings say",
        (
            "Read the `advice` of the log's line `worker.not_ready`: it names the folder, or what the server lacks.",
            "Then run `nhsmail-worker check --connect`.",
        ),
    ),
    "no-credential": (
        "There is nothing to log in with",
        (
            "Run `nhsmail-worker check`: it says which file is missing or can't be read.",
            "Where a person signs in: `nhsmail-worker login authorise`.",
        ),
    ),
    "attempt-in-progress": (
        "Another process is at a login of this account",
        ("Nothing, if it passes in a minute. Otherwise find out which other process uses this state folder.",),
    ),
    "fault": (
        "A fault of the worker's own ends its polls",
        ("Report the `error` of the log's line `worker.fault`.",),
    ),
}
_NOT_REACHING: Final = (
    "Not reaching the mailbox",
    ("Look at the network, at the mail service's own status page, and at the log's lines of level error.",),
)


def headline(view: StatusView) -> Headline:
    """The state in a sentence or two. The first thing that stops the mail wins."""
    if not view.journal_ok:
        return Headline(
            Tone.BAD,
            "Stopped: the journal can't be used. No mail is taken, and none is lost. Below is the last known state.",
            ("See to the disk of the state folder, or to the database; the worker goes on by itself.",),
        )
    if view.login.state is LoginState.HALTED:
        return _halted(view)
    if view.paused:
        return Headline(
            Tone.ATTENTION,
            f"Paused by a person. {_waiting(view)}",
            ("`nhsmail-worker resume` lets the work go on.",),
        )
    if view.login.state is LoginState.COOLING:
        return _cooling(view)
    if not view.live:
        return _stuck(view)
    if view.standing_by:
        return Headline(Tone.GOOD, f"Standing by: {view.lease.holder} works on the mailbox.")
    return _polling(view)


def _halted(view: StatusView) -> Headline:
    what, advice = _HALTS.get(view.login.reason or "", _OTHER_HALT)
    given = {"failures": times(view.login.failures), "administrator": _administrator(view)}
    # If the account is shut, or the count isn't known, the number of attempts left would mislead.
    left = "" if view.login.reason in _COUNT_MISLEADS else f" {_left(view)}"
    return Headline(
        Tone.BAD,
        f"Halted: {what.format(**given)}.{left}",
        tuple(step.format(**given) for step in advice),
    )


def _stuck(view: StatusView) -> Headline:
    hang = f"{count(view.stuck, 'handler call')} {'does' if view.stuck == 1 else 'do'} not return"
    return Headline(
        Tone.BAD,
        f"Stuck: {hang if view.stuck else 'the worker does not get on'}. {_waiting(view)}",
        (
            "Look at what the handlers talk to, and whether they have a time limit of their own.",
            "A restart helps: what was in hand is tried again, one message at a time.",
        ),
    )


def _cooling(view: StatusView) -> Headline:
    login = view.login
    why, advice = _COOLS.get(login.reason or "", ("", _WRONG_PASSWORD))
    failed = (
        f"Waiting after {count(login.failures, 'failed login')}."
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
        starting = "Starting. " if view.started_at else ""
        return Headline(Tone.GOOD, f"{starting}The mailbox has not been polled yet.")
    if view.overdue or not view.last_poll.ok:
        return _not_polling(view)
    polled = f"Last polled {span(view.seconds_since(view.last_good_poll_at or view.now))} ago."
    advice = tuple(_looks(view))
    return Headline(Tone.ATTENTION if advice else Tone.GOOD, f"Working. {polled} {_waiting(view)}", advice)


def _before_first_poll(view: StatusView) -> bool:
    """Whether this process hasn't polled yet; if none is running, whether none ever has."""
    at = view.last_poll.at
    return at is None or (view.started_at is not None and at < view.started_at)


def _not_polling(view: StatusView) -> Headline:
    """The last poll failed, or is overdue. Only if that lasts does it stop the mail."""
    what, advice = _TROUBLES.get(view.last_poll.trouble or "", _NOT_REACHING)
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
        looks.append(f"{count(view.messages.failed, 'dead letter')} to look at: `nhsmail-worker failed list`.")
    if view.junk_of_known_senders:
        looks.append(f"{view.junk_of_known_senders} of the junk came from known senders: `nhsmail-worker junk list`.")
    days = view.password.days_left
    if days is not None and days <= view.password_warn_days:
        looks.append(
            "The password has expired: change it now."
            if days < 0
            else f"The password expires in {count(days, 'day')}: change it."
        )
    if view.stuck:
        looks.append(
            f"{count(view.stuck, 'handler call')} {has(view.stuck)} not returned for too long: "
            "look at what the handler talks to."
        )
    looks += [f"Handler {circuit.handler} keeps failing; its mail waits." for circuit in view.circuits if circuit.open]
    return looks


def _left(view: StatusView) -> str:
    login = view.login
    return (
        f"{login.left_of_account} of the account's {login.threshold} attempts are left, {login.remaining} of them ours."
    )


def _waiting(view: StatusView) -> str:
    pending = view.messages.pending
    if not pending or view.messages.oldest_pending_seconds < 60:
        return f"{thousands(pending)} waiting."
    return f"{thousands(pending)} waiting, the oldest for {span(view.messages.oldest_pending_seconds)}."


def _administrator(view: StatusView) -> str:
    return view.help.local_administrator or "your Local Administrator"
