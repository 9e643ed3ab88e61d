"""What a setting is, in words: its key, its type, its default and its meaning. For reference pages and for commands."""

import json
import types
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from worker.settings.model import is_secret
from worker.settings.routes import MatchSettings, Pattern, SizeMatch
from worker.settings.types import read_list, read_size
from worker.settings.units import format_duration, format_size

REQUIRED = "**required**"
UNSET = "–"


@dataclass(frozen=True, slots=True)
class Described:
    """One setting. All texts are Markdown: values stand between backquotes.

    key: as it is written in the file. default: `REQUIRED` if there is none, `UNSET` if it is off by default.
    written: the default as it is written in the file; None if there is none that can be written there.
    example: a value as it is written in the file; None if none was given.
    """

    key: str
    kind: str
    default: str
    meaning: str
    written: str | None = None
    example: str | None = None

    @property
    def is_required(self) -> bool:
        return self.default == REQUIRED


def described(model: type[BaseModel]) -> Iterator[Described]:
    """Describe every setting of a table, and after each secret the setting that names its file, in order."""
    keys = {field.alias or name for name, field in model.model_fields.items()}
    for name, field in model.model_fields.items():
        one = describe_setting(name, field)
        yield one
        if is_secret(field.annotation) and f"{one.key}_file" not in keys:
            meaning = f"A file that holds `{one.key}`, and nothing else."
            yield Described(f"{one.key}_file", "path", UNSET, meaning)


def describe_setting(name: str, field: FieldInfo) -> Described:
    """Describe one setting. name: of the field in the model."""
    example = written_value(field.examples[0]) if field.examples else None
    meaning = field.description or ""
    return Described(field.alias or name, kind_of(field), default_of(field), meaning, written(field), example)


def kind_of(field: FieldInfo) -> str:
    """Return the setting's type in words."""
    return str(_extra(field).get("shown_type") or _named(field.annotation, field))


def default_of(field: FieldInfo) -> str:
    """Return the setting's default as it is shown to people."""
    shown = _extra(field).get("shown_default")
    if shown is not None:
        return str(shown)
    if field.is_required():
        return REQUIRED
    value = written(field)
    return UNSET if value is None else f"`{value}`"


def written(field: FieldInfo) -> str | None:
    """Return the setting's default as it is written in the file; None if there is none, or if it isn't a constant."""
    if field.is_required() or field.default_factory_takes_validated_data:
        return None
    default = field.get_default(call_default_factory=True)
    if default is None or default is PydanticUndefined or isinstance(default, BaseModel):
        return None
    return written_value(default, is_size=kind_of(field) == "size")


def written_value(value: Any, *, is_size: bool = False) -> str:
    """Return a value as it is written in the file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(written_value, value))}]"
    if isinstance(value, frozenset):
        return written_value(sorted(value))
    if isinstance(value, dict):
        return (
            "{ " + ", ".join(f"{key} = {written_value(item)}" for key, item in value.items()) + " }" if value else "{}"
        )
    if isinstance(value, timedelta):
        return f'"{format_duration(value)}"'
    if is_size:
        return f'"{format_size(value)}"'
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    return json.dumps(str(value), ensure_ascii=False)


def _named(annotation: Any, field: FieldInfo | None = None) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _named(next(part for part in arguments if part is not type(None)), field)
    if origin is Literal:
        return ", ".join(f'`"{choice}"`' for choice in arguments)
    if origin in (tuple, list, set, frozenset):
        return f"list of: {_named(arguments[0])}"
    if origin is dict:
        return "table of texts" if arguments[1] is str else "table"
    if hasattr(annotation, "__metadata__"):
        one_will_do = "one or a " if read_list in readers(annotation.__metadata__) else ""
        return _special(annotation.__metadata__) or one_will_do + _named(arguments[0])
    return _special(field.metadata if field else ()) or _SIMPLE.get(annotation, "text")


_SIMPLE: dict[Any, str] = {
    bool: "`true` or `false`",
    int: "whole number",
    float: "number",
    timedelta: "duration",
    datetime: "date",
    Path: "path",
    SecretStr: "secret",
    Pattern: "pattern",
    SizeMatch: "`over` and `under`: size",
    MatchSettings: "table, [see below](#match)",
}


def _special(metadata: Any) -> str | None:
    """Return 'size' for a size, which only its reader distinguishes from other numbers."""
    return "size" if read_size in readers(metadata) else None


def readers(metadata: Any) -> set[Any]:
    """Return the functions that read a setting."""
    return {getattr(mark, "func", None) for mark in metadata}


def _extra(field: FieldInfo) -> dict[str, Any]:
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
