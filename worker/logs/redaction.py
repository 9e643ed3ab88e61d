"""What may leave the process: every value is checked against the form of its field.

Nothing is searched for and blotted out. A value leaves only under the name of a field that `fields.py` lists, and only
in that field's form. Anything else, given by mistake or in an exception, is replaced by a marker that says so. Text
from a message is refused by its type, whatever its form: it is never a plain `str` (see `worker.message.text`).
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Any, Final, NoReturn

from worker.logs.fields import FIELDS, FLAG, LABEL, NUMBER, TIME, VALUES, WORD

REFUSED: Final = "<refused>"


class Content:
    """Text from a message. It can't be formatted, printed, joined or made JSON; only `reveal()` gives the text."""

    __slots__ = ("_text",)
    _shown = "<content>"

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself: for a person's terminal or a handler, never for a log."""
        return self._text

    def __str__(self) -> str:
        return self._shown

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return self._shown

    def __reduce__(self) -> NoReturn:
        raise TypeError("content and secrets aren't pickled or copied")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class Secret(Content):
    """A password or a token. Like `Content`, with a marker of its own."""

    __slots__ = ()
    _shown = "<secret>"


def passed(name: str, value: object, *, account: str | None = None) -> object:
    """The value as it may leave under this field's name, or the marker. Never raises.

    account: the only address that may appear, in the field `account`.
    """
    known = FIELDS.get(name)
    if known is None:
        return REFUSED
    form = known[0]
    if value is None or (name == "account" and value != account):
        return None if value is None else REFUSED
    if isinstance(form, re.Pattern):
        return _text(value, form)
    return {NUMBER: _number, TIME: _time, FLAG: _flag, VALUES: _values}[form](value)


def _text(value: object, form: re.Pattern[str]) -> object:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str) and type(value) is not str:  # text from a message, or from an unknown source
        return REFUSED
    # A plain string only: anything else would be formatted by code that isn't ours.
    if isinstance(value, str) and form.fullmatch(text := str.__str__(value)):
        return text
    return REFUSED


def _number(value: object) -> object:
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return REFUSED
    if isinstance(value, float):
        return round(value, 3) if value - value == 0 else REFUSED  # no NaN, no infinity
    return value if abs(value) < 2**53 else REFUSED  # what every reader of JSON can represent


def _time(value: object) -> object:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return REFUSED
    try:
        return rfc3339(datetime.fromtimestamp(value, UTC))
    except (ValueError, OverflowError, OSError):
        return REFUSED


def _flag(value: object) -> object:
    return value if isinstance(value, bool) else REFUSED


def _values(value: object) -> object:
    """A handler's own values. Their names and words are checked where the handler's code can be seen."""
    if not isinstance(value, Mapping):
        return REFUSED
    return {
        name: item if isinstance(item, bool) else _text(item, LABEL) if isinstance(item, str) else _number(item)
        for name, item in value.items()
        if isinstance(name, str) and re.fullmatch(r"[a-z][a-z0-9_]{0,29}", name)
    }


def rfc3339(at: datetime | date) -> str:
    """A time in UTC, as `2026-11-23T09:30:00.123Z`."""
    if not isinstance(at, datetime):
        return at.isoformat()
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_word(text: str) -> str:
    """The text if it is a word, else the word nearest to it: `user@host` becomes `user_host`."""
    return text if WORD.fullmatch(text) else re.sub(r"[^A-Za-z0-9_.:+-]", "_", text)[:120]


def cleaned(fields: Mapping[str, Any], allowed: Iterable[str], *, account: str | None = None) -> dict[str, object]:
    """The fields that may leave, each value checked. `dropped` names the others; `?` is a name that is no word."""
    allowed = frozenset(allowed)
    kept: dict[str, object] = {}
    dropped: list[str] = []
    for name, value in fields.items():
        if name in allowed and name in FIELDS:
            kept[name] = passed(name, value, account=account)
        else:
            dropped.append(name if re.fullmatch(r"[a-z_]{1,30}", str(name)) else "?")
    if dropped:
        kept["dropped"] = sorted(dropped)
    return kept
