"""The signals that end the process."""

import os
import signal
from collections.abc import Callable

ENDING_SIGNALS = frozenset(
    {signal.SIGTERM, signal.SIGINT}
    # sent when the terminal closes; under nohup it is ignored and stays so
    | ({signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN else set())
)
Ending = Callable[[], signal.Signals]
"""Blocks until the process is to end; returns the signal that says so."""


def catch_ending() -> Ending:
    """Catch these signals from now on. Call it in the main thread; the result waits for the first of them.

    They are caught, not blocked: programs that handlers start would inherit blocked signals, but not caught ones.
    """
    told, tell = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)  # works whichever thread receives the signal
    for number in ENDING_SIGNALS:
        signal.signal(number, lambda _number, _frame: None)

    def wait() -> signal.Signals:
        while True:
            for number in os.read(told, 64):
                if number in ENDING_SIGNALS:
                    return signal.Signals(number)

    return wait
