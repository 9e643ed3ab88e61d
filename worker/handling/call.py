"""One try at one message: the second of the two error boundaries. Whatever goes wrong here affects this message only.

Runs in a thread of the pool. Knows nothing of folders, the journal or the number of tries: it only returns an outcome.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from worker.handling.failure import CallFailure, RemoteFailure
from worker.handling.gate import Gate
from worker.handling.handler import Handler
from worker.handling.handler_log import HandlerLog
from worker.handling.handler_observer import HandlerObserver, Unobserved
from worker.handling.outage import About, Outages
from worker.handling.output import OutputCapture
from worker.logs.exceptions import class_of
from worker.logs.log import get_logger
from worker.logs.system_words import fault_words
from worker.message.message import Message
from worker.message.mime.limits import MessageError
from worker.message.outcome import Outcome, State
from worker.message.reasons import Reason
from worker.message.verdict import MailPath

log = get_logger()


class Routes(Protocol):
    """Decides which handlers a message goes to."""

    def handlers_for(self, message: Message) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The names of the routes that take the message, at least one, each with its handlers, in order.

        May raise `MessageError` if a rule needs a part of the message that can't be read.
        """


class RouteObserver(Protocol):
    """Told the routes of each message before its handlers are called. Called from the pool's threads."""

    def routed(self, key: str, routes: Collection[str], /) -> None:
        """These routes take the message with this key."""


STAND_IN_WAIT = timedelta(minutes=10)
"""How long to wait before looking again at a placeholder, which the message itself may have replaced by then."""

_CUT_OFF = CallFailure("error", "Unknown", about=About.NOTHING)
_DONE = {MailPath.CLEAN: State.HANDLED, MailPath.JUNK: State.JUNK}


class Try:
    """Calls the handlers that a message still has to go to, in order, each after the previous one's success."""

    def __init__(
        self,
        routes: Routes,
        handlers: Mapping[MailPath, Mapping[str, Handler]],
        monotonic: Callable[[], float],
        *,
        observer: HandlerObserver | None = None,
        route_observer: RouteObserver | None = None,
        gates: Mapping[str, Gate] | None = None,
        output: OutputCapture | None = None,
    ) -> None:
        """handlers: by path and name, so that junk can't reach a handler that is for clean mail only.

        gates: by handler name; a handler without a gate has no limits. output: told which handler a thread is calling.
        """
        self._routes = routes
        self._handlers = handlers
        self._monotonic = monotonic
        self._observer = observer or Unobserved()
        self._route_observer = route_observer
        self._gates = gates or {}
        self._output = output or OutputCapture()
        self._log = HandlerLog()

    def __call__(self, message: Message, already_done: Collection[str]) -> Outcome:
        """Try the message and return the outcome. already_done: handlers to skip.

        Raises:
            Busy: a handler has no free slot. Raises nothing else.
        """
        try:
            if message.stand_in is not None:
                return Outcome(State.PENDING, reason=Reason.PLACEHOLDER.stored(message.stand_in), after=STAND_IN_WAIT)
            routes = self._routes.handlers_for(message)
        except MessageError as error:
            return Outcome(State.FAILED, reason=f"unparsed:{CallFailure.of(error).kind}")
        except Exception as error:
            log.exception("message.not_routed")
            return Outcome(State.PENDING, reason=f"route:{class_of(error).__name__}")
        if self._route_observer is not None:
            self._route_observer.routed(message.key, [route for route, _ in routes])
        done: list[str] = []
        for route, name in ((route, name) for route, names in routes for name in names):
            if name in already_done:
                continue
            failure = self._through_gate(name, message, tuple(done), route)
            if failure is not None:
                return failure
            done.append(name)
        return Outcome(_DONE[message.path], done=tuple(done), route=routes[0][0])

    def _through_gate(self, name: str, message: Message, done: tuple[str, ...], route: str) -> Outcome | None:
        """Call the handler unless its gate holds the message back. None if the handler returned."""
        gate = self._gates.get(name)
        if gate is None:
            return self._call(name, message, done, route)[1]
        with gate.slot(done):
            if (wait := gate.pause_of(message.key)) is not None:
                reason = Reason.PAUSED.stored(name)
                return Outcome(State.PENDING, done=done, reason=reason, after=wait, route=route, held=True)
            failure: CallFailure | None = _CUT_OFF
            try:
                with gate.timed(message.key):
                    failure, outcome = self._call(name, message, done, route)
            finally:
                pause = gate.call_ended(message.key, failure)
            return outcome if outcome is None or pause is None else _still_down(outcome, name, pause)

    def _call(
        self, name: str, message: Message, done: tuple[str, ...], route: str
    ) -> tuple[CallFailure | None, Outcome | None]:
        """Call the handler. Returns the failure and the outcome; neither if the handler returned."""
        started = self._monotonic()
        outages: Outages = ()
        module = ""
        try:
            handler = self._handlers[message.path][name]
            outages, module = handler.outages, handler.module
            with self._output.running(name), message.log.heard_by(self._log.of_call(name, message.key)):
                handler(message)
        except BaseException as error:  # nothing that a handler raises may end the thread
            failure = CallFailure.of(error, outages, module)
            told = {"handler": name, "where": failure.where}
            if failure.fault is not None:
                told["errno"] = fault_words(failure.fault)
            if failure.word == "error" and isinstance(error, RemoteFailure):
                log.error("handler.failed", error=failure.kind, **told)
            elif failure.word == "error":
                log.error("handler.failed", exc_info=error, **told)
            seconds = self._monotonic() - started
        else:
            seconds = self._monotonic() - started
            log.debug("handler.done", handler=name, seconds=seconds)
            self._observer.handled(name, "done", seconds)
            return None, None
        self._observer.handled(name, "error" if failure.word == "unreadable" else failure.word, seconds)
        if failure.word == "unreadable":
            reason, state = f"unparsed:{failure.kind}", State.FAILED
        else:
            reason, state = f"{name}:{failure.reason}", State.FAILED if failure.word == "reject" else State.PENDING
        return failure, Outcome(
            state,
            done=done,
            reason=reason,
            after=failure.after,
            failed_handler=name,
            route=route,
            failed_as=reason,
            where=failure.where,
        )


def _still_down(outcome: Outcome, handler: str, pause: timedelta) -> Outcome:
    """The outcome where a paused handler's target is still down: the message waits again, and has spent no try."""
    if outcome.after is not None:  # the handler asked for a wait of its own
        return replace(outcome, after=max(outcome.after, pause), held=True)
    return replace(outcome, reason=Reason.PAUSED.stored(handler), after=pause, held=True)
