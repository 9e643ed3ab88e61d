"""The commands that work on the mail: run and once, and the preview of what they would do."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from worker import __version__
from worker.commands.ahead import ONCE, RUN, load_ahead
from worker.commands.context import Context
from worker.commands.exits import ExitCode, Failure
from worker.commands.wiring.engine import Engine
from worker.commands.wiring.from_settings import classify_of, limits_of, router_of
from worker.commands.wiring.observe_wiring import background_of
from worker.journal.lease import HEARTBEAT
from worker.logs.log import get_logger
from worker.logs.who import replica
from worker.loop.drain import Drained
from worker.loop.first_mail import Person
from worker.loop.hold import Hold
from worker.loop.idle import Watcher
from worker.loop.signals import ENDING_SIGNALS, Ending
from worker.message.outcome import State
from worker.observe.listener import Listener
from worker.observe.progress import Drain

if TYPE_CHECKING:
    from worker.observe.background import Background
    from worker.observe.live_status import Rhythm
    from worker.pipeline.preview import Foreseen

log = get_logger()


@dataclass(frozen=True, slots=True)
class Summary:
    """The result of `once`, as text and exit code. failed: the name of the dead-letter folder."""

    drained: Drained
    failed: str

    @property
    def exit_code(self) -> ExitCode:
        """A finding if a message was dead-lettered, 'not now' if retries are due."""
        if self.drained.outcomes[State.FAILED]:
            return ExitCode.FINDING
        return ExitCode.NOT_NOW if self.drained.due else ExitCode.DONE

    def text(self) -> str:
        """One line for the user."""
        drained = self.drained
        done = ", ".join(f"{drained.outcomes[state]} {state.value}" for state in _ENDS)
        text = f"{drained.new} new; {done}."
        if drained.due:
            text += f" {drained.due} to be tried again later: run this again, or leave `nhsmail-worker run` running."
        if drained.outcomes[State.FAILED]:
            text += f" The dead letters are in the mailbox's folder '{self.failed}'."
        return text


_ENDS = (State.HANDLED, State.JUNK, State.FAILED, State.GONE)


def run(context: Context, end: Ending) -> ExitCode:
    """Poll until `end` returns."""
    load_ahead(RUN)
    with context.opened():
        listener = context.parts.observing("run")
    from worker.loop.schedule import Schedule  # the other commands need no scheduler, and needn't wait for it

    schedule = Schedule(every=context.settings.poll.every, heartbeat_every=HEARTBEAT)
    with closing(Watcher(schedule.wake)) as watcher:
        with context.explained():
            engine = Engine(context.parts, Drain(), listener, watcher=watcher, waiter=schedule)
            background = _background(context, listener, engine, schedule)
            background.open()
        listener.health.watch(schedule.alive)
        log.info("worker.started", account=context.settings.account.address, replica=replica(), version=__version__)
        listener.started()
        with _ended(engine.hold, _grace(context), Drained()) as stop:

            def ending() -> None:
                listener.health.stopping()
                stop()

            received = schedule.run(engine.cycle, engine.hold.heartbeat, end, ending=ending)
    engine.pool.close()
    listener.stopped(code=ExitCode.DONE, reason=received.name)
    background.close()
    log.info("worker.stopped")
    return ExitCode.DONE


def _background(context: Context, listener: Listener, engine: Engine, rhythm: "Rhythm") -> "Background":
    from worker.commands.wiring.sending_wiring import sending_sign_in_of  # here, because `once` has no background

    parts = context.parts
    return background_of(
        context.settings,
        parts.journal,
        listener,
        parts.clock,
        login=parts.reading_guard(),
        circuits=engine.circuits,
        late=engine.late,
        rhythm=rhythm,
        sign_in=sending_sign_in_of(context.settings, parts.journal, parts.clock),
    )


def once(context: Context, drain: Drain, person: Person | None = None) -> Summary:
    """Handle everything in the mailbox, then return. person: asked before much old mail is handed over; None: nobody.

    Raises:
        Failure: the mailbox couldn't be drained; the text says what was done before that.
    """
    load_ahead(ONCE)
    drained = Drained()
    try:
        return _once(context, drain, drained, person)
    except Failure as failure:
        if not drained:
            raise
        done = Summary(drained, context.parts.layout.actual(context.settings.settle.failed)).text()
        raise Failure(failure.code, f"{failure}\nDone before that: {done}") from failure


def _once(context: Context, progress: Drain, drained: Drained, person: Person | None) -> Summary:
    """As `once`. `drained` counts what was done, even if this raises."""
    with context.opened():
        listener = context.parts.observing("once")
        engine = Engine(context.parts, progress, listener, person=person)
        listener.started()
    code, reason = ExitCode.FAULT, "failed"
    try:
        with context.explained(), _ended(engine.hold, _grace(context), drained) as stop:
            for ending in ENDING_SIGNALS:
                signal.signal(ending, lambda _number, _frame: stop())
            with context.parts.lease.kept():
                engine.drain.run(drained)
        summary = Summary(drained, context.parts.layout.actual(context.settings.settle.failed))
        code, reason = summary.exit_code, "drained"
    except Failure as failure:
        code, reason = failure.code, type(failure.__context__ or failure).__name__
        raise
    except Exception as error:
        reason = type(error).__name__
        raise
    else:
        return summary
    finally:
        engine.pool.close()
        listener.stopped(code=code, reason=reason)


@contextmanager
def _ended(hold: Hold, grace: float, drained: Drained) -> Iterator[Callable[[], None]]:
    """Finish what is in hand after the block, and count it in `drained`.

    Yields a function to call, any number of times, when the process is to end. Work that isn't over within the grace
    period (s) is then broken off.
    """
    impatience = threading.Timer(grace, hold.abort)
    impatience.daemon = True

    def stop() -> None:
        hold.stop()
        if impatience.ident is None:
            impatience.start()

    try:
        yield stop
    finally:
        drained.add(hold.end(grace))
        impatience.cancel()


def _grace(context: Context) -> float:
    return context.settings.work.grace.total_seconds()


def preview(context: Context) -> "list[Foreseen]":
    """What would become of each message if the mailbox were drained now. Changes nothing."""
    from worker.pipeline.preview import Preview  # here, because neither `run` nor `once` needs it

    settings, parts = context.settings, context.parts
    with context.visit() as (session, _):
        journal = parts.journal_parts()
        found = Preview(
            messages=journal.messages,
            poll=journal.poll(parts.layout, settings.poll.since),
            whereabouts=journal.whereabouts,
            fingerprints=journal.fingerprints,
            marks=journal.marks,
            layout=parts.layout,
            classify=classify_of(settings),
            routes=router_of(settings),
            limits=limits_of(settings),
        )
        return list(found.foresee(session))
