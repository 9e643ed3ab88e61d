"""The progress of a drain: a bar on a terminal, nothing elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from worker.journal.records import Record, Result
from worker.message.outcome import State
from worker.pipeline.observer import Observer

if TYPE_CHECKING:
    from rich.progress import Progress


class Drain(Observer):
    """Counts messages seen and done. Without a bar it only counts."""

    def __init__(self, bar: "Progress | None" = None) -> None:
        self.seen = 0
        self.done = 0
        self._bar = bar
        self._task = bar.add_task("messages", total=None) if bar is not None else None

    def new(self, count: int) -> None:
        self.found(count)

    def outcome(self, record: Record, result: Result) -> None:
        del record
        if result.state is not State.PENDING:
            self.finished()

    def found(self, count: int) -> None:
        """So many more messages are to be handled."""
        self.seen += count
        self._show()

    @contextmanager
    def still(self) -> Iterator[None]:
        """No bar while the block runs, so that a person can be asked."""
        if self._bar is None:
            yield
            return
        self._bar.stop()
        try:
            yield
        finally:
            self._bar.start()

    def finished(self) -> None:
        """A message has its outcome."""
        self.done += 1
        self._show()

    def _show(self) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self.done, total=max(self.seen, self.done))


@contextmanager
def progress(stream: TextIO) -> Iterator[Drain]:
    """A bar on this stream while the block runs, if the stream is a terminal."""
    if not stream.isatty():
        yield Drain()
        return
    # here, because only a terminal needs it
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(file=stream), transient=True) as bar:
        yield Drain(bar)
