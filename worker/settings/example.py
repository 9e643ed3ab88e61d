"""A whole configuration with comments: every setting, its default and its meaning. As it is, it changes nothing."""

import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import BaseModel

from worker.settings.described import REQUIRED, UNSET, Described, described
from worker.settings.model import Place, is_kept_out, table_in
from worker.settings.routes import HandlerRules, MatchSettings, RouteSettings
from worker.settings.tree import Settings
from worker.settings.types import Table
from worker.settings.wording import variable

WIDTH: Final = 100
_ASIDE: Final = re.compile(r" \(\[[^\]]+\]\([^)]+\)\)")
_LINK: Final = re.compile(r"\[([^\]]+)\]\([^)]+\)")

_HEAD: Final = """\
Every setting of nhsmail-worker. A line that begins with `# key =` shows the default of a setting, or an ellipsis \
if it has none. Take the # away and write your value. A duration is a number and a unit: ms s m h d. A size is a \
number and a unit: B kB MB GB KiB MiB GiB. A path that doesn't begin with / begins at the folder of this file. No \
secret may be in this file.
"""


def example(handlers: Mapping[str, type[BaseModel] | None]) -> str:
    """Return the text of the file. handlers: the settings of the handlers to show, by their names.

    The first handler's table is live, and the last route uses it; the others' tables are comments.
    """
    lines = _comment(_HEAD)
    for name, field in Settings.model_fields.items():
        table = table_in(field.annotation)
        if table is not None:
            lines += _tables((name,), table)
    lines += ["", "", *_comment(RouteSettings.about), *_comment(MatchSettings.about)]
    lines += ["# [[route]]", '# name = "pathology"', '# handlers = ["archive"]', "# [route.match]"]
    lines += _settings(MatchSettings, ("route", "match"), is_live=False)
    lines += ["", "[[route]]", *_settings(RouteSettings, ("route",))]
    for number, (name, model) in enumerate(handlers.items()):
        lines += ["", *handler_table(name, name, model, is_live=not number)]
    return "\n".join(lines) + "\n"


def handler_table(name: str, use: str, model: type[BaseModel] | None, *, is_live: bool = True) -> list[str]:
    """Return the lines of a handler's table.

    name: of the table. use: the handler. model: its own settings; None if it has none.
    """
    lines = [f"[handler.{name}]", f'use = "{use}"']
    lines = [lines[0] if is_live else f"# {lines[0]}", lines[1] if is_live and name != use else f"# {lines[1]}"]
    for one_model in (model, HandlerRules):
        if one_model is not None:
            lines += _settings(one_model, ("handler", name), is_live=is_live)
    return lines


def short_handler_table(name: str, use: str, model: type[BaseModel] | None) -> list[str]:
    """Return the lines of a handler's table, without comments: what is required, and the defaults as comments."""
    lines = [f"[handler.{name}]", *([] if name == use else [f'use = "{use}"'])]
    for one in () if model is None else described(model):
        if one.is_required:
            lines.append(f"{one.key} = {one.example or _unset(one)}")
        elif one.written is not None:
            lines.append(f"# {one.key} = {one.written}")
    return lines


def _tables(place: Place, table: type[BaseModel]) -> Iterator[str]:
    yield from ("", "", *_comment(_about_table(table)), f"[{'.'.join(place)}]")
    yield from _settings(table, place)
    for name, field in table.model_fields.items():
        within = table_in(field.annotation)
        if within is not None:
            yield from _tables((*place, field.alias or name), within)


def _settings(model: type[BaseModel], place: Place, *, is_live: bool = True) -> Iterator[str]:
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    for one in described(model):
        field = fields.get(one.key)
        if field is not None and _is_apart(table_in(field.annotation)):
            continue  # a table with a heading of its own
        yield ""
        yield from _comment(_about(one))
        if field is not None and is_kept_out((*place, one.key), field.annotation):
            yield from _comment(f"{one.key} is a secret. Set {variable((*place, one.key))}, or {one.key}_file here.")
        elif one.is_required and is_live:
            yield f"{one.key} = {one.example or _unset(one)}"
        else:
            yield f"# {one.key} = {one.written or one.example or _unset(one)}"


def _is_apart(table: type[BaseModel] | None) -> bool:
    """Whether this is a table that has a heading of its own."""
    return table is not None and bool(_about_table(table))


def _about_table(table: type[BaseModel]) -> str:
    return table.about if issubclass(table, Table) else ""


def _about(one: Described) -> str:
    choices = f" One of: {one.kind.replace('`', '')}." if one.kind.startswith('`"') else ""
    is_said = one.written is not None or one.default in (UNSET, REQUIRED) or one.default in one.meaning
    return f"{one.meaning}{choices}" if is_said else f"{one.meaning}{choices} Default: {one.default}."


def _unset(one: Described) -> str:
    if one.kind.endswith("number"):
        return "…"
    return '["…"]' if one.kind.startswith("list of") else '"…"'


def without_links(text: str) -> str:
    """Return Markdown without its links, for places where nobody can follow them."""
    return _LINK.sub(r"\1", _ASIDE.sub("", text))


def _comment(text: str) -> list[str]:
    return textwrap.wrap(
        without_links(text), WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False
    )
