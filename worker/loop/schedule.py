"""When the worker runs: APScheduler's jobs, early wake-ups, and an orderly end.

The work is an interval job that sets its own next run. One-off jobs proved unreliable: APScheduler dropped them when
they were late. The interval is also the safety net: if an early wake-up fails, the mailbox is still polled.
"""

import logging
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler

from worker.logs.log import get_logger
from worker.loop.signals import Ending

log = get_logger()

_WORK = "work"
_HEARTBEAT = "heartbeat"
CLOCK_EVERY = 5.0
"""Seconds between checks for a clock that was set back. Smaller steps back are ignored."""

# APScheduler warns whenever it skips a run that a long run has made unnecessary. That is normal here.
logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)


class Schedule:
    """Runs the work repeatedly in its own thread until a signal ends the process."""

    def __init__(self, *, every: timedelta, heartbeat_every: float) -> None:
        """every: the longest time between two runs. heartbeat_every: seconds."""
        self._every = every
        self._heartbeat_every = heartbeat_every
        self._wanted = threading.Event()
        self._gate = threading.Lock()
        self._scheduler: BackgroundScheduler | None = None
        self._over = threading.Event()

    def run(
        self,
        work: Callable[[], float | None],
        heartbeat: Callable[[], None],
        end: Ending,
        *,
        ending: Callable[[], None],
    ) -> signal.Signals:
        """Run until `end` returns; then call `ending`, and wait for the run in progress.

        work: returns the seconds until its next run, capped at `every`; None: `every`.
        heartbeat: called every `heartbeat_every` seconds in another thread, also during a run.
        """
        scheduler = self._scheduler_of(work, heartbeat)
        with self._gate:
            self._scheduler = scheduler
        scheduler.start()
        threading.Thread(target=self._mind_the_clock, name="clock", daemon=True).start()
        received = end()
        log.info("worker.stopping", signal=received.name)
        ending()
        # `shutdown` waits for the run in progress while holding a lock that `modify_job` needs. That run must not set
        # its next one, or the two would wait for each other.
        with self._gate:
            self._scheduler = None
        self._over.set()
        scheduler.shutdown(wait=True)
        return received

    def alive(self) -> bool:
        """Whether the thread that starts the runs is alive. True also before it is started."""
        thread: threading.Thread | None = getattr(self._scheduler, "_thread", None)  # there is no public way to ask
        return thread is None or thread.is_alive()

    def next_at(self) -> datetime | None:
        """When the next run begins, unless it is woken before; None: nothing is planned, as before the start."""
        job = None if self._scheduler is None else self._scheduler.get_job(_WORK)
        at: datetime | None = None if job is None else job.next_run_time
        return at

    def wake(self) -> None:
        """Run as soon as possible: now, or right after the run in progress. Safe from any thread, also before `run`."""
        if not self._wanted.is_set():
            self._wanted.set()
            self._run_at(_now())

    def _scheduler_of(self, work: Callable[[], float | None], heartbeat: Callable[[], None]) -> BackgroundScheduler:
        scheduler = BackgroundScheduler(
            executors={_WORK: ThreadPoolExecutor(1), _HEARTBEAT: ThreadPoolExecutor(1)},
            # Two instances, one thread: a run that is due during another waits for it instead of being dropped.
            job_defaults={"max_instances": 2, "coalesce": True, "misfire_grace_time": None},
            timezone=UTC,
        )
        scheduler.add_job(
            partial(self._run_work, work),
            "interval",
            id=_WORK,
            executor=_WORK,
            seconds=self._every.total_seconds(),
            next_run_time=_now(),
        )
        scheduler.add_job(heartbeat, "interval", id=_HEARTBEAT, executor=_HEARTBEAT, seconds=self._heartbeat_every)
        return scheduler

    def _run_work(self, work: Callable[[], float | None]) -> None:
        self._wanted.clear()
        wait: float | None = None
        try:
            wait = work()
        finally:
            every = self._every.total_seconds()
            self._run_at(_now() + timedelta(seconds=min(every if wait is None else max(wait, 0.0), every)))
            if self._wanted.is_set():  # asked last: what is planned here must not replace an earlier time
                self._run_at(_now())

    def _run_at(self, when: datetime, job: str = _WORK) -> None:
        with self._gate, suppress(JobLookupError):
            if self._scheduler is not None:
                self._scheduler.modify_job(job, next_run_time=when)

    def _mind_the_clock(self) -> None:
        """If the clock is set back, run both jobs now. Otherwise they would wait until it catches up."""
        ahead = time.time() - time.monotonic()
        while not self._over.wait(CLOCK_EVERY):
            before, ahead = ahead, time.time() - time.monotonic()
            if ahead < before - CLOCK_EVERY:
                for job in (_WORK, _HEARTBEAT):
                    self._run_at(_now(), job)


def _now() -> datetime:
    return datetime.now(UTC)
