"""The state in short lines, one for each thing: the same on the page and in `status`.

Text between backticks is code; commands in it are named as they are typed in this installation.
"""

from datetime import UTC, datetime, timedelta

from worker.login.expiry import TABLE, KnownBy
from worker.logs.counted import counted
from worker.logs.typed import as_typed
from worker.observe.expiry_lines import expiry_line
from worker.observe.humanise import clock, span, thousands
from worker.observe.size_words import NEVER_MEASURED, gigabytes, prospect
from worker.observe.view import CircuitView, ExpiryView, LoginState, StatusView

_NEVER = datetime.max.replace(tzinfo=UTC)
NOTHING_ENDS = "Nothing that the worker knows of."


def waiting_line(view: StatusView) -> str:
    """The backlog and its age."""
    pending = view.messages.pending
    if not pending:
        return "No message."
    return f"{counted(pending, 'message')}, the oldest for {span(view.messages.oldest_pending_seconds)}."


def last_poll_line(view: StatusView) -> str:
    """When the mailbox was polled, and what that brought."""
    poll = view.last_poll
    if poll.at is None:
        return "None yet."
    ago = f"{span(view.seconds_since(poll.at))} ago"
    if poll.ok:
        return f"{ago}, good, {counted(poll.new, 'new message')}."
    good = view.last_good_poll_at
    return f"{ago}, failed. " + (
        f"The last good one was {span(view.seconds_since(good))} ago." if good else "None was good yet."
    )


def next_poll_line(view: StatusView) -> str:
    """When the mailbox is polled next, or what has to happen first."""
    if view.login.state is LoginState.HALTED:
        return "None until the worker may log in again."
    if view.paused:
        return "None while the work is paused."
    if view.standing_by:
        return f"By {view.lease.holder}, which holds the lease."
    if view.login.state is LoginState.COOLING and view.login.next_attempt_at is not None:
        return f"After the next login, not before {clock(view.login.next_attempt_at)}."
    if view.next_poll_at is None:
        return "None: no worker is running." if view.nobody_runs else "Not known yet."
    left = (view.next_poll_at - view.now).total_seconds()
    return f"In {span(left)} at the latest." if left > 0 else "Now."


def pause_line(view: StatusView) -> str:
    """Who paused the work, since when, and what has come since. Empty if nobody did."""
    if not view.paused:
        return ""
    pause = view.pause
    since = "" if pause.since is None else f" since {clock(pause.since)}, for {span(view.paused_seconds)}"
    why = f" Why: “{pause.reason}”." if pause.reason else ""
    arrived = "New messages since the last poll: "
    arrived += (
        "not counted yet."
        if pause.counted_at is None
        else f"{thousands(pause.arrived or 0)}, counted {span(view.seconds_since(pause.counted_at))} ago."
    )
    end = as_typed(f"`nhsmail-worker {'journal rebuild' if pause.rebuild else 'resume'}` ends the pause.")
    return f"By {pause.by or 'a person'}{since}.{why} {arrived} {end}"


def login_line(view: StatusView) -> str:
    """How many login attempts are left, and for whom."""
    login = view.login
    failed = min(login.failures, login.threshold)
    ours = min(login.remaining, login.threshold - failed)
    kept = login.threshold - failed - ours
    return (
        f"{counted(login.threshold, 'attempt')} before the server locks the account: {failed} failed, "
        f"{ours} left for the worker, {kept} kept for people."
    )


def next_login_line(view: StatusView) -> str:
    """When a credential is sent next."""
    if view.login.state is LoginState.HALTED:
        return "None until a person or a new password changes things."
    at = view.login.next_attempt_at
    if at is None or at <= view.now:
        return "Whenever one is needed."
    return f"Not before {clock(at)}, in {span((at - view.now).total_seconds())}."


def lease_line(view: StatusView) -> str:
    """Which process works on the mailbox."""
    lease = view.lease
    if lease.holder is None or lease.expires_at is None:
        return "No process holds it."
    who = "this replica" if lease.holder == view.replica else lease.holder
    left = (lease.expires_at - view.now).total_seconds()
    return f"Held by {who}, {span(left)} left." if left > 0 else f"Ran out {span(-left)} ago; {who} had it."


def mailbox_line(view: StatusView) -> str:
    """How full the mailbox is."""
    note = view.mailbox
    if note is None:
        return NEVER_MEASURED
    by = "an estimate from the messages' sizes" if note.estimate else "the server's quota"
    against = "" if note.told else " against `[mailbox] size`"
    ago = span(max(0.0, view.now.timestamp() - note.at))
    return (
        f"{note.percent} % full: {gigabytes(note.used)} of {gigabytes(note.limit)}, by {by}{against}, {ago} ago. "
        f"{prospect(note.days_left)}"
    )


def next_end_line(view: StatusView) -> str:
    """What runs out next, and when."""
    first = next_end(view)
    full = None if view.mailbox is None else view.mailbox.days_left
    if full is not None and (first is None or first.days_left is None or full < first.days_left):
        return f"Mailbox: full in {counted(full, 'day')}." if full else "Mailbox: full, or it will be within a day."
    if first is None or first.days_left is None or first.expires_at is None:
        unknown = [TABLE[one.thing].title for one in view.expiries]
        return f"Not known: {', '.join(unknown)}." if unknown else NOTHING_ENDS
    day = f"{first.expires_at.day} {first.expires_at:%b %Y}"
    if first.days_left < 0:
        return f"{TABLE[first.thing].title}: expired on {day}."
    doubt = ", or sooner" if first.known_by is KnownBy.FIRST_SEEN else ""
    return f"{TABLE[first.thing].title}: in {counted(first.days_left, 'day')}, on {day}{doubt}."


def next_end(view: StatusView) -> ExpiryView | None:
    """What runs out next; None if no end is known."""
    known = [one for one in view.expiries if one.expires_at is not None]
    return min(known, key=lambda one: (one.expires_at is None, one.expires_at), default=None)


def expiry_lines(view: StatusView) -> list[tuple[str, str]]:
    """Everything that expires, by name, with its end or how to make it known: what ends first, first."""
    return [(title, line) for _, title, line in _expiries(view)]


def endings(view: StatusView) -> list[tuple[str, str]]:
    """Everything that runs out, the mailbox's space among it: what ends first, first. No known end: last."""
    full = None if view.mailbox is None else view.mailbox.days_left
    at = _NEVER if full is None else view.now + timedelta(days=full)
    ends = [*_expiries(view), (at, "Mailbox", mailbox_line(view))]
    return [(title, line) for _, title, line in sorted(ends, key=_when)]


def _expiries(view: StatusView) -> list[tuple[datetime, str, str]]:
    ends = [
        (one.expires_at or _NEVER, TABLE[one.thing].title, as_typed(expiry_line(one, view.now)))
        for one in view.expiries
    ]
    return sorted(ends, key=_when)


def _when(end: tuple[datetime, str, str]) -> datetime:
    return end[0]


def handler_line(circuit: CircuitView, view: StatusView) -> str:
    """Why a handler isn't called."""
    why = "it keeps failing" if circuit.not_built is None else f"it can't be started yet ({circuit.not_built})"
    since = "" if circuit.since is None else f" for {span(view.seconds_since(circuit.since))}"
    return f"Not called{since}: {why}. The worker tries it again; its mail waits."
