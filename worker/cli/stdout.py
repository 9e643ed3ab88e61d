"""Standard output that can't be written: its reader has gone, as `head` does, or its disk is full."""

import os
import sys
from contextlib import suppress
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import TYPE_CHECKING

from worker.cli.wrapped import echo
from worker.commands.exits import ExitCode

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class StandardOutput(FileIO):
    """Knows its own failure from that of other files and connections, whose errors look the same."""

    failure: OSError | None = None

    def write(self, content: "ReadableBuffer", /) -> int | None:  # type: ignore[override]  # FileIO's has None as well
        """Write, and remember why it failed."""
        try:
            return super().write(content)
        except OSError as error:
            self.failure = error
            raise

    def leave(self) -> None:
        """Discard what is still to be written. Otherwise it fails once more when Python ends."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def watched_stdout() -> StandardOutput | None:
    """Put a standard output in place that knows its failure. None if it was replaced already, as by a test."""
    stream = sys.stdout
    if stream is not sys.__stdout__ or not isinstance(stream, TextIOWrapper):
        return None
    stream.flush()
    output = StandardOutput(stream.fileno(), "w", closefd=False)
    sys.stdout = TextIOWrapper(
        BufferedWriter(output),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
    return output


def code_without_output(error: BaseException, output: StandardOutput) -> ExitCode | None:
    """The exit code of a command that this error ended, told to the person. None if it isn't the output's failure."""
    failure = output.failure
    if failure is None or not (error is failure or _is_made_by_click(error, failure)):
        return None
    output.leave()
    if isinstance(failure, BrokenPipeError):
        return ExitCode.DONE
    from worker.logs.system_words import system_words

    with suppress(OSError):
        echo(f"The output can't be written: {system_words(failure)}. No mail is lost.", err=True)
    return ExitCode.FAULT


def _is_made_by_click(error: BaseException, failure: OSError) -> bool:
    """Whether it is what click raises for a closed pipe. It doesn't keep the failure."""
    return isinstance(error, SystemExit) and isinstance(failure, BrokenPipeError)
