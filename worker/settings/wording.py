"""Faults in plain words: the setting, what is wrong with it, and what to do."""

import difflib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic_core import ErrorDetails

from worker.settings.model import Place, keys_of, places_of, tables_of
from worker.settings.routes import RouteSettings
from worker.settings.sources import ENVIRONMENT_PREFIX, SEPARATOR
from worker.settings.tree import Settings
from worker.settings.units import format_duration

_UNKNOWN_KEY = "extra_forbidden"


def line(place: Place, text: str, variables: Mapping[Place, str]) -> str:
    """Return a fault as one line. It names the environment variables involved, because that is where to look."""
    hands = sorted(name for at, name in variables.items() if at[: len(place)] == place or place[: len(at)] == at)
    origin = f" (from {', '.join(hands)})" if hands else ""
    return f"{title(place)}{origin}: {text}"


def title(place: Place) -> str:
    """Return the setting's name as in the file: `[account.oauth] client_id`, `[lockout] waits, item 2`."""
    head = 2 if place[0] in ("route", "handler") else 1
    item = next((at for at, part in enumerate(place[head:], head) if part.isdecimal()), len(place))
    name = _title(place[:item])
    return name + "".join(f", item {part}" if part.isdecimal() else f" {part}" for part in place[item:])


def _title(place: Place) -> str:
    table, *rest = place
    if table == "route":
        return ", ".join(part for part in ("[[route]] " + "".join(rest[:1]), ".".join(rest[1:])) if part).rstrip()
    if table == "handler":
        return f"[{'.'.join(place[:2])}] {'.'.join(rest[1:])}".rstrip()
    if place in _TABLES or not rest:
        return f"[{'.'.join(place)}]"
    return f"[{'.'.join(place[:-1])}] {rest[-1]}"


_TABLES = set(tables_of(Settings))


def variable(place: Place) -> str:
    """Return the environment variable for a setting."""
    return ENVIRONMENT_PREFIX + SEPARATOR.join(place).upper().replace("-", "_")


def of(fault: ErrorDetails, place: Place) -> str:
    """Word a fault that pydantic found. Quotes no value."""
    kind, context = fault["type"], fault.get("ctx", {})
    if kind == _UNKNOWN_KEY:
        return unknown(place)
    if kind == "missing":
        return "is missing. Set it."
    if kind == "value_error":
        return f"{context['error']}."
    return _KINDS.get(kind, "{message}.").format(
        message=fault["msg"][:1].lower() + fault["msg"][1:], **{key: _shown(value) for key, value in context.items()}
    )


def unknown(place: Place) -> str:
    """Word the fault of an unknown key, and name the nearest known one: in its table, or else anywhere."""
    what = "setting" if len(place) > 1 else "table"
    everywhere = _candidates(place)
    beside = [at for at in everywhere if at[:-1] == place[:-1]]
    nearest = (
        _nearest(place, beside, 0.6) or _nearest(place, everywhere, 0.6) or _nearest(place, beside or everywhere, 0)
    )
    return f"isn't a known {what}. The nearest is {_both_names(nearest)}. Correct it or remove it."


def _candidates(place: Place) -> list[Place]:
    if place[0] == "route":
        return [*places_of(RouteSettings, place[:2]), *tables_of(RouteSettings, place[:2])]
    return [*places_of(Settings), *_TABLES] if len(place) > 1 else [(name,) for name in keys_of(Settings)]


def _both_names(place: Place) -> str:
    if place[0] == "route":
        return title(place)
    return f"{title(place)} ({variable(place)}{SEPARATOR + '…' if len(place) == 1 or place in _TABLES else ''})"


def _nearest(place: Place, candidates: list[Place], cutoff: float) -> Place:
    by_key: dict[str, Place] = {}
    for candidate in candidates:
        by_key.setdefault(candidate[-1], candidate)
    found = difflib.get_close_matches(place[-1], by_key, n=1, cutoff=cutoff)
    return by_key[found[0]] if found else ()


def _shown(value: Any) -> str:
    return format_duration(value) if isinstance(value, timedelta) else str(value)


_KINDS = {
    "bool_parsing": "must be true or false.",
    "bool_type": "must be true or false.",
    "int_parsing": "must be a whole number.",
    "int_type": "must be a whole number.",
    "int_from_float": "must be a whole number.",
    "float_parsing": "must be a number.",
    "float_type": "must be a number.",
    "finite_number": "must be a number.",
    "string_type": 'must be text, in quotation marks: "…".',
    "string_too_short": "must not be empty.",
    "string_pattern_mismatch": "must begin with a letter or digit, hold only letters, digits, - and _, and be short.",
    "path_type": 'must be a path, in quotation marks: "/…".',
    "literal_error": "must be one of {expected}.",
    "tuple_type": 'must be a list, such as ["a", "b"]; in the environment, write it as JSON.',
    "dict_type": "must be a table.",
    "model_type": "must be a table.",
    "model_attributes_type": "must be a table.",
    "too_short": "must not be empty.",
    "greater_than": "must be more than {gt}.",
    "greater_than_equal": "must be at least {ge}.",
    "less_than": "must be less than {lt}.",
    "less_than_equal": "must be at most {le}.",
}
