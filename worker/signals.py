"""The signals that end the process."""

import signal

ENDING_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})


def block_signals() -> None:
    """Keep the ending signals for `Schedule.run`: call it before any thread starts, as threads inherit the mask."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
