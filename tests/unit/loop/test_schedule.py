"""The schedule ends when it is told to, whatever the work is doing at that moment."""

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from worker.loop.schedule import Schedule
from worker.loop.signals import catch_ending


def stop_while_work_is_busy() -> None:
    """In a process of its own, as signals are the process's."""
    end = catch_ending()
    began, told = threading.Event(), threading.Event()

    def work() -> float | None:
        began.set()
        told.wait(60)
        threading.Event().wait(0.3)  # the schedule waits for us by now
        schedule.wake()
        return 0.0

    def end_it() -> None:
        began.wait(60)
        os.kill(os.getpid(), signal.SIGTERM)

    schedule = Schedule(every=timedelta(seconds=60), heartbeat_every=60.0)
    threading.Thread(target=end_it).start()
    assert schedule.run(work, lambda: None, end, ending=told.set) is signal.SIGTERM


def test_a_stop_while_work_is_busy_waits_for_it_and_ends() -> None:
    """Work that ends during the stop sets no next run: that once waited for the stop, and the stop for it."""
    here = Path(__file__)
    program = (
        f"import sys; sys.path.insert(0, {str(here.parent)!r}); import {here.stem} as t; t.stop_while_work_is_busy()"
    )
    ended = subprocess.run([sys.executable, "-c", program], timeout=30, check=False, cwd=here.parents[2])
    assert ended.returncode == 0


def test_work_goes_on_when_the_clock_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scheduler goes by the clock: what was to be next was an hour away."""
    monkeypatch.setattr("worker.loop.schedule.CLOCK_EVERY", 0.05)
    worked, beaten, over = threading.Event(), threading.Event(), threading.Event()
    schedule = Schedule(every=timedelta(seconds=0.1), heartbeat_every=0.1)

    def end() -> signal.Signals:
        over.wait()
        return signal.SIGTERM

    running = threading.Thread(target=lambda: schedule.run(worked.set, beaten.set, end, ending=lambda: None))
    with time_machine.travel(datetime.now(UTC), tick=True):
        running.start()
        assert worked.wait(60)
        assert beaten.wait(60)
    try:
        with time_machine.travel(datetime.now(UTC) - timedelta(hours=1), tick=True):
            for _ in range(3):  # the first may have been begun before
                worked.clear()
                beaten.clear()
                assert worked.wait(60)
                assert beaten.wait(60)
    finally:
        over.set()
        running.join()


def test_it_knows_when_the_next_run_is_due() -> None:
    schedule = Schedule(every=timedelta(hours=1), heartbeat_every=60.0)
    assert schedule.next_at() is None
    seen: list[datetime | None] = []
    over = threading.Event()

    def end() -> signal.Signals:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and not seen:
            at = schedule.next_at()
            if at is not None and worked.is_set() and at - datetime.now(UTC) < timedelta(minutes=5):
                seen.append(at)
            over.wait(0.01)
        return signal.SIGTERM

    worked = threading.Event()

    def work() -> float:
        worked.set()
        return 200.0

    schedule.run(work, lambda: None, end, ending=lambda: None)
    (at,) = seen
    assert at is not None
    assert timedelta(seconds=150) < at - datetime.now(UTC) <= timedelta(seconds=200)
    assert schedule.next_at() is None, "after the end nothing is planned"


def test_a_wake_up_while_the_next_run_is_being_planned_is_not_lost() -> None:
    """Mail can arrive at that very moment. What is planned then is a minute away."""

    class ComesNow(float):
        """A wait, during whose reading somebody wakes the schedule."""

        def __lt__(self, other: float) -> bool:
            schedule.wake()
            return float(self) < other

        def __gt__(self, other: float) -> bool:
            schedule.wake()
            return float(self) > other

    schedule = Schedule(every=timedelta(hours=1), heartbeat_every=60.0)
    runs, twice = [0], threading.Event()

    def work() -> float | None:
        runs[0] += 1
        if runs[0] == 2:
            twice.set()
        return ComesNow(60.0) if runs[0] == 1 else None

    def end() -> signal.Signals:
        assert twice.wait(30)
        return signal.SIGTERM

    schedule.run(work, lambda: None, end, ending=lambda: None)
    assert runs == [2]
