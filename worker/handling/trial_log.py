"""Keeps what a handler logs while it is tried out or tested."""

from worker.message.message_log import MOST_LINES, Logged, LogMistake


class TrialLog:
    """Listens to one call. strict: raises a mistake, so that tests find it."""

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self.lines: list[Logged] = []
        self.mistakes: list[str] = []

    def logged(self, line: Logged) -> None:
        """Keep the line, if the call may still log one. Raises ValueError if strict."""
        if len(self.lines) < MOST_LINES:
            self.lines.append(line)
            return
        error = ValueError(f"a handler logs at most {MOST_LINES} lines for one message: the worker drops the others")
        self.refused(LogMistake("", "too-many"), error)

    def refused(self, mistake: LogMistake, error: Exception) -> None:
        """Keep what is wrong, and where. Raises the error if strict."""
        if self._strict:
            raise error
        text = f"{mistake.where}: {error}".removeprefix(": ")
        if text not in self.mistakes:
            self.mistakes.append(text)
