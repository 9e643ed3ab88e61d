"""The signals that end the process."""

import os
import signal
from collections.abc import Callable

ENDING_SIGNALS = frozenset(
    {signal.SIGTERM, signal.SIGINT}
    # a closed terminal; under nohup it is ignored, and stays so
    | ({signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN else set())
)
Ending = Callable[[], signal.Signals]
"""Waits until the process is to end, and says why."""


def catch_ending() -> Ending:
    """Catch the ending signals from now on, in the main thread. What is returned waits for the first of them.

    They are caught, not blocked: a program that a handler starts would inherit a blocked signal, and a caught one not.
    """
    told, tell = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)  # whichever thread the system interrupts
    for number in ENDING_SIGNALS:
        signal.signal(number, lambda _number, _frame: None)

    def wait() -> signal.Signals:
        while True:
            for number in os.read(told, 64):
                if number in ENDING_SIGNALS:
                    return signal.Signals(number)

    return wait
