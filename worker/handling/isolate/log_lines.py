"""What a handler logs in a process of its own, on its way to the worker: as data whose every part is checked again."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, get_args

from worker.message.message_log import MOST_LINES, Logged, LogMistake, MessageLog, What

_PLACE = re.compile(r"[\w.]{1,100}:\d{1,7}")


class LinesToTell:
    """Keeps the lines of one call until its answer is sent: one more than it may log, so that the worker notices."""

    def __init__(self) -> None:
        self._lines: list[tuple[str, dict[str, Any]]] = []
        self._mistakes: list[tuple[str, str]] = []

    def logged(self, line: Logged) -> None:
        """Keep the line."""
        if len(self._lines) <= MOST_LINES:
            self._lines.append((line.event, dict(line.values)))

    def refused(self, mistake: LogMistake, error: Exception) -> None:
        """Keep where the mistake was made."""
        del error  # its text stays here
        if len(self._mistakes) < MOST_LINES:
            self._mistakes.append((mistake.where, mistake.what))

    def answer(self) -> dict[str, Any]:
        """The part of the answer that tells of them."""
        return {"lines": self._lines, "mistakes": self._mistakes}


def repeat_lines(answer: Mapping[str, Any], log: MessageLog) -> None:
    """Log what a child's answer tells of. What doesn't have the form of a line is dropped."""
    for line in _pairs(answer.get("lines"), MOST_LINES + 1):
        with suppress(TypeError, ValueError):
            log.repeat(Logged.read(*line))
    for where, what in _pairs(answer.get("mistakes"), MOST_LINES):
        if isinstance(where, str) and _PLACE.fullmatch(where) and what in get_args(What):
            log.refuse(LogMistake(where, what))


def _pairs(told: object, most: int) -> list[list[Any]]:
    return [one for one in told[:most] if isinstance(one, list) and len(one) == 2] if isinstance(told, list) else []
