"""One try at one message: which handlers are called, and what is kept of the errors that they raise."""

from asyncio import CancelledError
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.handling.world import Rules, attempt, raising
from worker.handling.call import Try
from worker.handling.handler import Handler
from worker.message.message import Message
from worker.message.mime.limits import MessageOverLimit
from worker.message.outcome import KeyTaken, Reject, Retry, State
from worker.message.verdict import Evidence, MailPath, Verdict

RAW = b"From: a@lab.nhs.uk\r\nSubject: secret words\r\n\r\nhello\r\n"


def message(path: MailPath = MailPath.CLEAN) -> Message:
    evidence = (Evidence("placement", None, "junk-folder", "it lies in the junk folder", counts=True),)
    verdict = Verdict(path, evidence if path is MailPath.JUNK else ())
    return Message(RAW, key="k", folder="INBOX", received_at=datetime(2026, 1, 1, tzinfo=UTC), verdict=verdict)


CLEAN, JUNK = ("archive", "notify", "both"), ("quarantine", "both")


@given(st.lists(st.sampled_from(sorted({*CLEAN, *JUNK, "unknown"})), max_size=5).map(tuple), st.sampled_from(MailPath))
def test_no_rule_takes_a_message_to_a_handler_of_the_other_path(names: tuple[str, ...], path: MailPath) -> None:
    called: list[tuple[str, MailPath]] = []
    handlers = {
        kind: {name: Handler(name, lambda m, name=name: called.append((name, m.path))) for name in known}  # type: ignore[misc] # bound at once
        for kind, known in ((MailPath.CLEAN, CLEAN), (MailPath.JUNK, JUNK))
    }

    outcome = Try(Rules(*names), handlers, monotonic)(message(path), ())

    own = CLEAN if path is MailPath.CLEAN else JUNK
    assert all(name in own and seen is path for name, seen in called)
    if not set(names) <= set(own):
        assert outcome.state is State.PENDING


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, CancelledError, GeneratorExit, MemoryError])
def test_whatever_a_handler_raises_is_the_outcome_of_its_message(error: type[BaseException]) -> None:
    def handle(_message: Message) -> None:
        raise error

    handlers = {MailPath.CLEAN: {"archive": Handler("archive", handle)}, MailPath.JUNK: {}}
    outcome = Try(Rules("archive"), handlers, monotonic)(message(MailPath.CLEAN), ())
    assert (outcome.state, outcome.reason, outcome.failed_handler) == (
        State.PENDING,
        f"archive:{error.__name__}",
        "archive",
    )


@pytest.mark.parametrize("returned", [Retry, Reject, Retry("why"), Reject("why"), ValueError, ValueError("why")])
def test_what_is_returned_in_place_of_raised_is_never_a_message_handled(returned: object) -> None:
    handlers = {MailPath.CLEAN: {"archive": Handler("archive", lambda _message: returned)}, MailPath.JUNK: {}}
    outcome = Try(Rules("archive"), handlers, monotonic)(message(MailPath.CLEAN), ())
    assert (outcome.state, outcome.reason) == (State.PENDING, "archive:ReturnedNotRaised")


@pytest.mark.parametrize("returned", [False, "handled", 0, {}])
def test_no_other_value_says_anything(returned: object) -> None:
    handlers = {MailPath.CLEAN: {"archive": Handler("archive", lambda _message: returned)}, MailPath.JUNK: {}}
    assert Try(Rules("archive"), handlers, monotonic)(message(MailPath.CLEAN), ()).state is State.HANDLED


def test_a_failure_is_that_of_the_route_that_named_the_handler() -> None:
    def fail(_message: Message) -> None:
        raise ConnectionError

    class TwoRules:
        def handlers_for(self, message: Message) -> tuple[tuple[str, tuple[str, ...]], ...]:
            return ("copy", ("archive",)), ("ordered", ("notify",))

    told: list[tuple[str, Collection[str]]] = []

    class Routed:
        def routed(self, key: str, routes: Collection[str]) -> None:
            told.append((key, tuple(routes)))

    handlers = {"archive": Handler("archive", lambda _message: None), "notify": Handler("notify", fail)}
    attempt = Try(TwoRules(), {MailPath.CLEAN: handlers}, monotonic, route_observer=Routed())
    outcome = attempt(message(MailPath.CLEAN), ())
    assert (outcome.failed_handler, outcome.route) == ("notify", "ordered")
    assert attempt(message(MailPath.CLEAN), ("notify",)).route == "copy"
    assert told == [("k", ("copy", "ordered"))] * 2


class Infected(Reject):
    """Like the one that the handler for ClamAV raises."""


class Later(Retry):
    """A handler's own kind of `Retry`."""


class Lying(Reject):
    """Says more than a class may."""

    slug = "secret-words"


def literal(_message: Message) -> None:
    raise Reject("The subject has no report number.")


def quoting(message: Message) -> None:
    raise Reject(f"no number in {message.subject}")


def equal(message: Message) -> None:
    if message.subject == "secret words":  # a constant of this code, and what the message says
        raise Reject(message.subject)
    if str(message.subject) != "secret words":
        raise Reject(str(message.subject)[:6])


def changed(_message: Message) -> None:
    error = Reject("fine")
    error.slug = "secret words"
    raise error


def nothing_left(_message: Message) -> None:
    raise Reject("…")


def unsaid(_message: Message) -> None:
    raise Reject


def dynamic(_message: Message) -> None:
    raise type("secret words", (Exception,), {})("secret words")


@pytest.mark.parametrize(
    ("call", "state", "reason"),
    [
        (raising(Infected("secret words")), State.FAILED, "one:Infected"),
        (raising(KeyTaken("secret words")), State.FAILED, "one:key-taken"),
        (raising(Later("secret words")), State.PENDING, "one:Later"),
        (raising(Retry("secret words", after=timedelta(seconds=9))), State.PENDING, "one:Retry"),
        (raising(ConnectionError("secret words")), State.PENDING, "one:ConnectionError"),
        (raising(SystemExit("secret words")), State.PENDING, "one:SystemExit"),
        (dynamic, State.PENDING, "one:Exception"),
        (literal, State.FAILED, "one:Reject:the-subject-has-no-report-number"),
        (quoting, State.FAILED, "one:Reject"),
        (equal, State.FAILED, "one:Reject"),
        (changed, State.FAILED, "one:Reject"),
        (nothing_left, State.FAILED, "one:Reject"),
        (unsaid, State.FAILED, "one:Reject"),
        (raising(Lying()), State.FAILED, "one:Lying"),
        (raising(MessageOverLimit("parts")), State.FAILED, "unparsed:MessageOverLimit:parts"),
        (raising(MessageOverLimit("secret words")), State.FAILED, "unparsed:MessageOverLimit"),
    ],
)
def test_of_an_error_the_handlers_name_and_the_class_are_kept(
    call: Callable[[Message], None], state: State, reason: str, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    outcome = attempt(call)(message(), ())
    assert (outcome.state, outcome.reason, outcome.failed_handler) == (state, reason, "one")
    assert "secret" not in str(logged()) + repr(outcome)


@pytest.mark.parametrize("after", [timedelta.max, timedelta(days=8)])
def test_no_handler_parks_a_message_for_ever(after: timedelta) -> None:
    assert attempt(raising(Retry(after=after)))(message(), ()).after == timedelta(days=7)
