"""Loading: turns file and environment into `Settings`, or reports every fault at once.

A fault in one setting must not hide faults in others. So faulty values are removed and the rest is validated again,
until it is valid. The rules between settings and the checks of the disk then run on that rest. A finding about a
setting that is already known to be faulty is dropped.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from worker.settings import shape, wording
from worker.settings.disk import check_files
from worker.settings.file_values import anchor_paths, refuse_other_types
from worker.settings.model import Place
from worker.settings.rules import broken_rules
from worker.settings.secrets import misplaced_secrets, prefer_environment
from worker.settings.sources import Given, gather
from worker.settings.tree import Settings

Check = Callable[[Settings], Sequence[str]]
"""A further check of valid settings at start. Each line that it returns starts with the setting's name."""


class SettingsError(Exception):
    """The configuration is faulty.

    faults: every fault, one line each: the setting, what is wrong with it, and what to do. No line quotes a secret.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = list(faults)


def load(path: Path | None, environ: Mapping[str, str], checks: Sequence[Check] = (check_files,)) -> Settings:
    """Load the settings from a TOML file (None: no file) and the environment, which takes precedence.

    checks: further checks for the same report; by default of the files that hold secrets and certificates.

    Raises:
        SettingsError: lists every fault.
    """
    given = gather(path, environ)
    faults = _Faults(given)
    misplaced_secrets(given, faults.add)
    prefer_environment(given)
    refuse_other_types(given, faults.add)
    anchor_paths(given, faults.add)
    settings = _validated(given, faults)
    if settings is not None and given.whole:
        for places, text in broken_rules(settings):
            if not any(faults.about(place) for place in places):
                faults.add(places[0], text)
        for check in checks:
            faults.extend(check(settings))
    if faults.lines or settings is None:
        raise SettingsError(faults.lines)
    return settings


class _Faults:
    """The faults so far with their places, so that each cause is reported only once."""

    def __init__(self, given: Given) -> None:
        self._given = given
        self._places: set[Place] = set()
        self.lines = list(given.faults)

    def add(self, place: Place, text: str) -> None:
        self._places.add(place)
        self._append(wording.line(place, text, self._given.variables))

    def extend(self, lines: Sequence[str]) -> None:
        """Add findings whose text starts with a setting's name, unless that setting is known to be faulty."""
        known = tuple(f"{wording.title(place)}:" for place in self._places)
        for line in lines:
            if not line.startswith(known):
                self._append(line)

    def about(self, place: Place) -> bool:
        return any(place[: len(known)] == known for known in self._places)

    def _append(self, line: str) -> None:
        if line not in self.lines:
            self.lines.append(line)


def _validated(given: Given, faults: _Faults) -> Settings | None:
    """Return the settings without faulty values; None if not even those can be built."""
    values = shape.shaped(given, faults.add)
    while True:
        try:
            return Settings.model_validate(values)
        except ValidationError as error:
            if not _peel(error, values, given, faults):
                return None


def _peel(error: ValidationError, values: dict[str, Any], given: Given, faults: _Faults) -> bool:
    """Report each fault and remove its cause from the values. Returns False if there was nothing to remove."""
    found = error.errors(include_url=False, include_input=False)
    for fault in found:
        place = shape.place_of(fault["loc"])
        if given.whole or fault["type"] != "missing":
            faults.add(place, wording.of(fault, place))
    taken_out = [shape.take_out(values, fault["loc"]) for fault in found]
    return any(taken_out)
