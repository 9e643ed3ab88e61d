"""A handler that is tried out by hand: it leaves real archives, servers and queues alone unless a person says so.

A class may say how, in two ways:

    real_effect = "posts the message to the server in `url`"    # `handler try` does that with --for-real alone

    @staticmethod
    def scratch(settings: Settings, folder: Path) -> Settings:  # the settings with which it writes below this folder
        return settings.model_copy(update={"folder": folder})

A handler with neither runs as its table says.
"""

import inspect
import tempfile
from pathlib import Path
from typing import Any

from worker.handling.found import Found


class NeedsForReal(Exception):
    """The handler does something that can't be taken back, and nobody has asked for that. effect: what it does."""

    def __init__(self, effect: str) -> None:
        super().__init__(effect)
        self.effect = effect


class NoScratch(Exception):
    """The handler can't be told to write to another folder."""


class Trial:
    """The rules for one trial.

    for_real: run the handler as its table says, whatever it does. into: the folder in which a handler writes that has a
    `scratch`; None makes a temporary one, which is kept so that its author can look at it.
    """

    def __init__(self, *, for_real: bool = False, into: Path | None = None) -> None:
        self.for_real = for_real
        self._into = into
        self.folder: Path | None = None
        """Where the handler writes in place of what its table says; None: it does as its table says."""

    def check(self, found: Found) -> None:
        """Raise NeedsForReal or NoScratch if the handler may not be tried so."""
        if self.for_real:
            return
        if not _has_scratch(found.target):
            if self._into is not None:
                raise NoScratch
            effect = getattr(found.target, "real_effect", None)
            if isinstance(effect, str):
                raise NeedsForReal(effect)

    def own_settings(self, found: Found) -> Any:
        """The settings to build the handler with.

        Raises:
            OSError: the folder can't be made. Whatever the handler's `scratch` raises.
        """
        if self.for_real or not _has_scratch(found.target):
            return found.own
        folder = Path(tempfile.mkdtemp(prefix="nhsmail-try-")) if self._into is None else self._into.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        own = found.target.scratch(found.own, folder)
        self.folder = folder
        return own


def _has_scratch(target: Any) -> bool:
    return inspect.isclass(target) and callable(getattr(target, "scratch", None))
