"""What the worker counts of its work, for whoever asks.

`Counts` counts nothing. `Metrics` counts for Prometheus, whose library only `run` loads: no other command answers on a
port.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from worker.observe.work_figures import WorkFigures

if TYPE_CHECKING:
    from worker.observe.view import StatusView


class Counts:
    """Each method is called when the thing happens."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """clock: epoch s."""
        self.figures = WorkFigures(clock)
        """The same calls for the page, which shows a median and the slowest one."""

    def attempted(self, outcome: str) -> None:
        """A credential was sent, with this result: `accepted`, or a failure's class."""

    def polled(self, outcome: str, seconds: float) -> None:
        """A poll ended: `good`, or the class of the trouble."""

    def tried(self, path: str, outcome: str) -> None:
        """A try at a message on this path had this outcome."""

    def known_by_headers(self, count: int) -> None:
        """So many done messages were known again by headers and size alone."""

    def judged_junk(self, source: str) -> None:
        """A message was judged junk for this source's evidence."""

    def handled(self, handler: str, outcome: str, seconds: float) -> None:
        """A handler finished with a message: `done`, `retry`, `reject` or `error`, after so many seconds."""

    def overdue(self, handler: str) -> None:
        """A handler exceeds its time limit on a message. Its final result is counted as well."""

    def copies_removed(self, handler: str, removed: int, kept: int) -> None:
        """A handler removed so many old copies, and couldn't remove so many others."""

    def oldest_copy(self, handler: str, at: float | None) -> None:
        """All of a handler's copies were looked at; the oldest that stays is of this time (epoch s)."""

    def show(self, view: "StatusView") -> None:
        """Set every gauge from this state."""

    def text(self) -> bytes:
        """All metrics, as `/metrics` serves them."""
        return b""
