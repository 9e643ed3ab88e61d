"""Writes docs/configuration.md from the settings: `python -m worker.settings.reference > docs/configuration.md`."""

import json
import sys
import types
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from worker.settings.model import Place, table_in
from worker.settings.routes import HandlerRules, MatchSettings, Pattern, RouteSettings, SizeMatch
from worker.settings.tree import Settings
from worker.settings.types import Table, read_list, read_size
from worker.settings.units import format_duration, format_size
from worker.settings.wording import variable

_HEAD = """\
# Configuration

<!-- Written by `python -m worker.settings.reference`; a test compares the two. -->

The worker reads one TOML file: `--config FILE`, or `NHSMAIL_CONFIG`, or `worker.toml` in the current folder. Every
setting can also come from the environment, which beats the file: `[poll] every` is `NHSMAIL_POLL__EVERY`. Lists and
tables are JSON there: `NHSMAIL_POLL__FOLDERS='["INBOX", "Results"]'`; routes are one list, `NHSMAIL_ROUTE`. A variable
that is set to nothing counts as not set. Variables that begin with `NHSMAIL_` and have no `__` are left alone.

`nhsmail-worker check` reports everything that is wrong at once. A key that isn't on this page is an error.

- A **duration** is a number and a unit, `ms` `s` `m` `h` or `d`: `"60s"`, `"0.2s"`, `"1.5h"`.
- A **size** is a number and a unit: `B`, `kB` `MB` `GB` (1,000, 1,000,000, … bytes), or `KiB` `MiB` `GiB` (1,024, …):
  `"40MB"`.
- A **secret** never stands in the file: it comes from the environment, or from a file of its own that the setting with
  `_file` at its end names. The environment beats such a file. Neither may a URL with a password stand in the file.

The smallest configuration:

```toml
[account]
address = "pathology.results@nhs.net"
auth = "oauth2-client"

[account.oauth]
tenant = "00000000-0000-0000-0000-000000000000"
client_id = "00000000-0000-0000-0000-000000000000"
client_secret_file = "/run/secrets/nhsmail_client_secret"

[[route]]
name = "everything"
handlers = ["archive"]

[handler.archive]
url = "file:///var/lib/nhsmail-worker/archive"
```
"""

_HANDLERS = """
## `[handler.NAME]`

A handler under a name of its own, for routes and `[junk] handlers` to use. `use` says what it is: the entry point of an
installed handler, or `package.module:name`; without it, NAME is. All other keys are the handler's own settings, checked
at start like ours; `NHSMAIL_HANDLER__NAME__KEY` sets them too. A handler that has no settings needs no table: a route
can name its entry point, or `package.module:name`, itself. Its secrets follow the rule above, `_file` included.
Beside `use`, a few keys are the worker's, in every such table:
"""

_ONE_EACH = "| setting | type | default | meaning |\n|---|---|---|---|\n"


def reference() -> str:
    """Return the whole page."""
    parts = [_HEAD]
    for name, field in Settings.model_fields.items():
        table = table_in(field.annotation)
        if table is not None and issubclass(table, Table):
            parts.extend(_tables((name,), table))
    parts.append(_section("[[route]]", RouteSettings, ()))
    parts.append(_section("match", MatchSettings, ()))
    parts.append(_HANDLERS)
    rows = "".join(_row(name, field, ()) for name, field in HandlerRules.model_fields.items())
    parts.append(f"{_ONE_EACH}{rows}\n{HandlerRules.about}")
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _tables(place: Place, table: type[Table]) -> Iterator[str]:
    yield _section(f"[{'.'.join(place)}]", table, place)
    for name, field in table.model_fields.items():
        within = table_in(field.annotation)
        if within is not None and issubclass(within, Table):
            yield from _tables((*place, name), within)


def _section(heading: str, table: type[Table], place: Place) -> str:
    rows = "".join(_row(name, field, place) for name, field in table.model_fields.items() if not _is_table(field))
    return f"\n## `{heading}`\n\n{table.about}\n\n{_ONE_EACH}{rows}"


def _is_table(field: FieldInfo) -> bool:
    table = table_in(field.annotation)
    return table is not None and table is not SizeMatch and table is not MatchSettings


def _row(name: str, field: FieldInfo, place: Place) -> str:
    key = field.alias or name
    below = f"<br>`{variable((*place, key))}`" if place else ""
    cells = (f"`{key}`{below}", _type(field), _default(field), field.description or "")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _type(field: FieldInfo) -> str:
    return str(_extra(field).get("shown_type") or _named(field.annotation, field))


def _named(annotation: Any, field: FieldInfo | None = None) -> str:
    """Return a type in the words of the page."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _named(next(part for part in arguments if part is not type(None)), field)
    if origin is Literal:
        return ", ".join(f'`"{choice}"`' for choice in arguments)
    if origin is tuple:
        return f"list of: {_named(arguments[0])}"
    if origin is dict:
        return "patterns by header"
    if hasattr(annotation, "__metadata__"):
        one_will_do = "one or a " if read_list in _readers(annotation.__metadata__) else ""
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
    return "size" if read_size in _readers(metadata) else None


def _readers(metadata: Any) -> set[Any]:
    """Return the functions that read a setting."""
    return {getattr(mark, "func", None) for mark in metadata}


def _default(field: FieldInfo) -> str:
    shown = _extra(field).get("shown_default")
    if shown is not None:
        return str(shown)
    if field.is_required():
        return "**required**"
    default = field.get_default(call_default_factory=False)
    if default is None or default is PydanticUndefined:
        return "–"
    return f"`{_written(default, is_size=_type(field) == 'size')}`"


def _written(value: Any, *, is_size: bool = False) -> str:
    """Return a value as it is written in the file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(_written(item) for item in value)}]"
    if isinstance(value, timedelta):
        return f'"{format_duration(value)}"'
    if is_size:
        return f'"{format_size(value)}"'
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    return json.dumps(str(value), ensure_ascii=False)


def _extra(field: FieldInfo) -> dict[str, Any]:
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


if __name__ == "__main__":
    sys.stdout.write(reference())
