"""Durations and sizes, written as a number and a unit."""

import re
from datetime import timedelta
from fractions import Fraction

_MICROSECONDS = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_BYTES = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
# ASCII digits only, and few: \d matches digits of every script, and Python refuses to convert thousands of them.
_NUMBER_AND_UNIT = re.compile(r"\s*([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*([A-Za-z]*)\s*")
DURATION = rf"^\s*[0-9]{{1,15}}(\.[0-9]{{1,15}})?\s*({'|'.join(_MICROSECONDS)})\s*$"
"""The form of a duration, as a regular expression for other programs, such as an editor."""
SIZE = rf"^\s*[0-9]{{1,15}}(\.[0-9]{{1,15}})?\s*({'|'.join(_BYTES)})\s*$"
"""The form of a size, likewise."""
_LONGEST = timedelta(days=36_500)
_LARGEST = 10**15


def parse_duration(text: str) -> timedelta:
    """Parse `"60s"`, `"0.2s"`, `"1.5h"`: a number and one of ms s m h d, to the microsecond, at most a hundred years.

    Raises:
        ValueError: says what is wrong, and how to write it.
    """
    number, unit = _split(text, tuple(_MICROSECONDS), "60s")
    microseconds = round(number * _MICROSECONDS[unit])
    if microseconds > _LONGEST // timedelta(microseconds=1):
        raise ValueError("is longer than a hundred years")
    return timedelta(microseconds=microseconds)


def parse_size(text: str) -> int:
    """Parse `"40MB"`: a number and one of B kB MB GB (powers of 1000) or KiB MiB GiB (powers of 1024), in bytes.

    Raises:
        ValueError: says what is wrong, and how to write it.
    """
    number, unit = _split(text, tuple(_BYTES), "40MB")
    size = round(number * _BYTES[unit])
    if size > _LARGEST:
        raise ValueError("is more than a petabyte")
    return size


def format_duration(duration: timedelta) -> str:
    """Write a duration in the largest unit that divides it. Parsing the result gives the same duration."""
    microseconds = duration // timedelta(microseconds=1)
    for unit in ("d", "h", "m", "s", "ms"):
        if microseconds and microseconds % _MICROSECONDS[unit] == 0:
            return f"{microseconds // _MICROSECONDS[unit]}{unit}"
    if not microseconds:
        return "0s"
    whole, rest = divmod(microseconds, _MICROSECONDS["ms"])
    return f"{whole}.{rest:03d}".rstrip("0") + "ms"


def format_size(size: int) -> str:
    """Write a size in the largest unit that divides it. Parsing the result gives the same size."""
    for unit in ("GB", "GiB", "MB", "MiB", "kB", "KiB"):
        if size and size % _BYTES[unit] == 0:
            return f"{size // _BYTES[unit]}{unit}"
    return f"{size}B"


def _split(text: str, units: tuple[str, ...], example: str) -> tuple[Fraction, str]:
    known = " ".join(unit for unit in units if unit != "KB")
    found = _NUMBER_AND_UNIT.fullmatch(text)
    if not found:
        raise ValueError(f'must be a number and a unit ({known}), such as "{example}"')
    number, unit = found.groups()
    if unit not in units:
        wrong = f"has the unit '{unit}', which isn't known" if unit else "has no unit"
        raise ValueError(f'{wrong}: write a number and one of {known}, such as "{example}"')
    return Fraction(number), unit
