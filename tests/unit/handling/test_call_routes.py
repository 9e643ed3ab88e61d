"""A message that several routes take, with `continue = true`: one list of handlers, and one outcome.

The handlers of all its routes are called in order, each after the one before it has returned. The first that doesn't
return ends the try: no later one is called, of its own route or of another.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.handling.world import message
from worker.handling.call import Try
from worker.handling.handler import Handler
from worker.handling.routing.router import Router
from worker.message.message import Message
from worker.message.mime.limits import MessageOverLimit
from worker.message.outcome import Outcome, Reject, Retry, State
from worker.message.verdict import MailPath
from worker.settings.routes import RouteSettings

NAMES = ("clamav", "filing", "archive", "notify")
ENDS: Mapping[str, Callable[[], Exception | None]] = {
    "returns": lambda: None,
    "rejects": lambda: Reject("no"),
    "fails": lambda: ValueError("no"),
    "asks for later": lambda: Retry("no", after=timedelta(minutes=1)),
    "unreadable": lambda: MessageOverLimit("parts"),
}
DEAD = ("rejects", "unreadable")


class World:
    """Handlers that end as they are told to, behind the real router."""

    def __init__(self, routes: list[tuple[str, list[str]]], ends: Mapping[str, str]) -> None:
        self.ends = dict(ends)
        self.called: list[str] = []
        # All go on but the last, so that all of them take the message.
        rules = [
            RouteSettings.model_validate({"name": name, "handlers": handlers, "continue": name != routes[-1][0]})
            for name, handlers in routes
        ]
        handlers = {name: Handler(name, self._handler(name)) for name in NAMES}
        self._try = Try(Router(rules, ()), {MailPath.CLEAN: handlers}, lambda: 0.0)

    def _handler(self, name: str) -> Callable[[Message], None]:
        def call(_message: Message) -> None:
            self.called.append(name)
            error = ENDS[self.ends.get(name, "returns")]()
            if error is not None:
                raise error

        return call

    def tried(self, done: Collection[str] = ()) -> Outcome:
        self.called.clear()
        return self._try(message(), done)


@pytest.mark.parametrize(
    ("end", "state", "reason"),
    [
        ("rejects", State.FAILED, "filing:Reject:no"),
        ("unreadable", State.FAILED, "unparsed:MessageOverLimit:parts"),
        ("fails", State.PENDING, "filing:ValueError"),
        ("asks for later", State.PENDING, "filing:Retry"),
    ],
)
def test_when_the_first_route_fails_the_next_one_does_not_get_the_message(end: str, state: State, reason: str) -> None:
    world = World([("pathology", ["filing"]), ("everything", ["archive"])], {"filing": end})
    outcome = world.tried()
    assert world.called == ["filing"]
    assert (outcome.state, outcome.reason, outcome.done, outcome.route) == (state, reason, (), "pathology")


def test_what_comes_first_has_the_message_whatever_comes_later() -> None:
    world = World([("everything", ["archive"]), ("pathology", ["filing"])], {"filing": "rejects"})
    outcome = world.tried()
    assert world.called == ["archive", "filing"]
    assert (outcome.state, outcome.done, outcome.route) == (State.FAILED, ("archive",), "pathology")


def test_a_guard_in_a_route_of_its_own_guards_the_routes_after_it() -> None:
    """So nothing infected gets to a later route's handlers."""
    world = World([("scan", ["clamav"]), ("pathology", ["filing"]), ("rest", ["archive"])], {"clamav": "rejects"})
    assert world.tried().state is State.FAILED
    assert world.called == ["clamav"]


def test_a_retry_of_the_dead_letter_goes_on_where_it_failed() -> None:
    world = World([("everything", ["archive"]), ("pathology", ["filing"]), ("last", ["notify"])], {"filing": "rejects"})
    done = world.tried().done
    world.ends["filing"] = "returns"
    outcome = world.tried(done)
    assert world.called == ["filing", "notify"]
    assert (outcome.state, outcome.done) == (State.HANDLED, ("filing", "notify"))


@given(
    routes=st.lists(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True), min_size=1, max_size=4),
    ends=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(sorted(ENDS))),
    already=st.sets(st.sampled_from(NAMES)),
)
@example(routes=[["filing"], ["archive"]], ends={"filing": "rejects"}, already=set())
@example(routes=[["archive"], ["archive", "filing"]], ends={"archive": "fails"}, already={"archive"})
def test_one_list_and_one_outcome(routes: list[list[str]], ends: dict[str, str], already: set[str]) -> None:
    named = [(f"route-{number}", handlers) for number, handlers in enumerate(routes)]
    line = list(dict.fromkeys(name for _, handlers in named for name in handlers))
    left = [name for name in line if name not in already]
    broken = next((name for name in left if ends.get(name, "returns") != "returns"), None)
    world = World(named, ends)

    outcome = world.tried(already)

    until = left if broken is None else left[: left.index(broken) + 1]
    assert world.called == until
    assert list(outcome.done) == [name for name in until if name != broken]
    assert outcome.failed_handler == broken
    if broken is None:
        assert outcome.state is State.HANDLED
    else:
        assert outcome.state is (State.FAILED if ends[broken] in DEAD else State.PENDING)
        assert outcome.route == next(name for name, handlers in named if broken in handlers)
