"""One try at one message: the second of the two error boundaries. Whatever happens here concerns this message alone.

Runs in a thread of the pool. Knows no folder, no journal, no count of tries: it says what this try came to.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Protocol

from worker.handler_loading import Handler
from worker.message import Message, MessageError
from worker.observe import get_logger
from worker.observe.redact import class_of
from worker.outcome import Outcome, Reject, Retry, State
from worker.verdict import Path

log = get_logger()


class Routes(Protocol):
    """Which handlers a message goes to. May raise `MessageError` where a rule needs what can't be read."""

    def handlers_for(self, message: Message) -> tuple[str, tuple[str, ...]]:
        """The name of the route, and its handlers in order."""


STAND_IN_WAIT = timedelta(minutes=10)
"""How long until a stand-in is looked at again: the message itself may have come by then."""

_DONE = {Path.CLEAN: State.HANDLED, Path.JUNK: State.JUNK}


class Try:
    """Gives a message to the handlers that it still owes, in order, each after the former's success."""

    def __init__(
        self,
        routes: Routes,
        handlers: Mapping[Path, Mapping[str, Handler]],
        monotonic: Callable[[], float],
        handled: Callable[[str, str, float], None] = lambda _handler, _outcome, _seconds: None,
    ) -> None:
        """handlers: by name, of each path its own, so that from junk no handler of clean mail can be reached.

        handled: told of each handler's call: its name, done, retry, reject or error, and the seconds it took.
        """
        self._routes = routes
        self._handlers = handlers
        self._monotonic = monotonic
        self._handled = handled

    def __call__(self, message: Message, already_done: Collection[str]) -> Outcome:
        """What this try came to. Never raises."""
        try:
            if message.stand_in is not None:
                return Outcome(State.PENDING, reason=f"stand-in:{message.stand_in}", after=STAND_IN_WAIT)
            route, names = self._routes.handlers_for(message)
        except MessageError as error:
            return Outcome(State.FAILED, reason=_unreadable(error))
        except Exception as error:
            log.exception("message.not_routed")
            return Outcome(State.PENDING, reason=f"route:{class_of(error).__name__}")
        done: list[str] = []
        for name in names:
            if name in already_done:
                continue
            failure = self._call(name, message, tuple(done), route)
            if failure is not None:
                return failure
            done.append(name)
        return Outcome(_DONE[message.path], done=tuple(done), route=route)

    def _call(self, name: str, message: Message, done: tuple[str, ...], route: str) -> Outcome | None:
        """None when the handler returned; else what became of the message."""
        started = self._monotonic()
        came_to = "error"
        try:
            self._handlers[message.path][name](message)
        except Retry as word:
            after = word.after if isinstance(word.after, timedelta) else None  # handlers are other people's code
            came_to, state, reason = "retry", State.PENDING, f"{name}:Retry"
        except Reject:
            came_to, state, reason, after = "reject", State.FAILED, f"{name}:Reject", None
        except MessageError as error:
            state, reason, after = State.FAILED, _unreadable(error), None
        except (Exception, SystemExit) as error:  # a handler that wants to exit must not take its thread with it
            log.exception("handler.failed", handler=name)
            state, reason, after = State.PENDING, f"{name}:{class_of(error).__name__}", None
        else:
            seconds = self._monotonic() - started
            log.debug("handler.done", handler=name, seconds=seconds)
            self._handled(name, "done", seconds)
            return None
        self._handled(name, came_to, self._monotonic() - started)
        return Outcome(state, done=done, reason=reason, after=after, failed_handler=name, route=route)


def _unreadable(error: MessageError) -> str:
    return f"unparsed:{class_of(error).__name__}"
