"""One try at one message: junk can't reach a handler of clean mail, whatever the rules say."""

from asyncio import CancelledError
from collections.abc import Collection
from datetime import UTC, datetime
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.handling.call import Try
from worker.handling.loading import Handler
from worker.message.message import Message
from worker.message.outcome import Reject, Retry, State
from worker.message.verdict import Evidence, Path, Verdict

RAW = b"From: a@lab.nhs.uk\r\nSubject: x\r\n\r\nhello\r\n"


class Rules:
    """Rules that send every message to the handlers named, whatever its path."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def handlers_for(self, message: Message) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return (("all", self._names),)


def message(path: Path) -> Message:
    evidence = (Evidence("placement", None, "junk-folder", "it lies in the junk folder", counts=True),)
    verdict = Verdict(path, evidence if path is Path.JUNK else ())
    return Message(RAW, key="k", folder="INBOX", received_at=datetime(2026, 1, 1, tzinfo=UTC), verdict=verdict)


CLEAN, JUNK = ("archive", "notify", "both"), ("quarantine", "both")


@given(st.lists(st.sampled_from(sorted({*CLEAN, *JUNK, "unknown"})), max_size=5).map(tuple), st.sampled_from(Path))
def test_no_rule_takes_a_message_to_a_handler_of_the_other_path(names: tuple[str, ...], path: Path) -> None:
    called: list[tuple[str, Path]] = []
    handlers = {
        kind: {name: Handler(name, lambda m, name=name: called.append((name, m.path))) for name in known}  # type: ignore[misc] # bound at once
        for kind, known in ((Path.CLEAN, CLEAN), (Path.JUNK, JUNK))
    }

    outcome = Try(Rules(names), handlers, monotonic)(message(path), ())

    own = CLEAN if path is Path.CLEAN else JUNK
    assert all(name in own and seen is path for name, seen in called)
    if not set(names) <= set(own):
        assert outcome.state is State.PENDING


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, CancelledError, GeneratorExit, MemoryError])
def test_whatever_a_handler_raises_is_the_outcome_of_its_message(error: type[BaseException]) -> None:
    def handle(_message: Message) -> None:
        raise error

    handlers = {Path.CLEAN: {"archive": Handler("archive", handle)}, Path.JUNK: {}}
    outcome = Try(Rules(("archive",)), handlers, monotonic)(message(Path.CLEAN), ())
    assert (outcome.state, outcome.reason, outcome.failed_handler) == (
        State.PENDING,
        f"archive:{error.__name__}",
        "archive",
    )


@pytest.mark.parametrize("returned", [Retry, Reject, Retry("why"), Reject("why"), ValueError, ValueError("why")])
def test_what_is_returned_in_place_of_raised_is_never_a_message_handled(returned: object) -> None:
    handlers = {Path.CLEAN: {"archive": Handler("archive", lambda _message: returned)}, Path.JUNK: {}}
    outcome = Try(Rules(("archive",)), handlers, monotonic)(message(Path.CLEAN), ())
    assert (outcome.state, outcome.reason) == (State.PENDING, "archive:ReturnedNotRaised")


@pytest.mark.parametrize("returned", [False, "handled", 0, {}])
def test_no_other_value_says_anything(returned: object) -> None:
    handlers = {Path.CLEAN: {"archive": Handler("archive", lambda _message: returned)}, Path.JUNK: {}}
    assert Try(Rules(("archive",)), handlers, monotonic)(message(Path.CLEAN), ()).state is State.HANDLED


def test_a_failure_is_that_of_the_route_that_named_the_handler() -> None:
    def fail(_message: Message) -> None:
        raise ConnectionError

    class TwoRules:
        def handlers_for(self, message: Message) -> tuple[tuple[str, tuple[str, ...]], ...]:
            return ("copy", ("archive",)), ("ordered", ("notify",))

    told: list[tuple[str, Collection[str]]] = []
    handlers = {"archive": Handler("archive", lambda _message: None), "notify": Handler("notify", fail)}
    attempt = Try(
        TwoRules(), {Path.CLEAN: handlers}, monotonic, routed=lambda key, routes: told.append((key, tuple(routes)))
    )
    outcome = attempt(message(Path.CLEAN), ())
    assert (outcome.failed_handler, outcome.route) == ("notify", "ordered")
    assert attempt(message(Path.CLEAN), ("notify",)).route == "copy"
    assert told == [("k", ("copy", "ordered"))] * 2
