"""Where settings come from: reads the file, applies the environment on top, and collects faults in either."""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from worker.settings.model import Place, annotation_of, is_text, tables_of
from worker.settings.routes import HandlerRules

ENVIRONMENT_PREFIX = "NHSMAIL_"
SEPARATOR = "__"
TABLES_AS_LISTS = ("route",)
"""Arrays of tables, each set as a whole by one variable: NHSMAIL_ROUTE."""
_TABLES_OF_HANDLERS = {place[0] for place in tables_of(HandlerRules)}
"""The keys of the worker's own in a handler's table that are tables: NHSMAIL_HANDLER__NAME__ISOLATE__USER."""


@dataclass(slots=True)
class Given:
    """What was configured: the values as one tree, where each came from, and the faults found so far."""

    values: dict[str, Any] = field(default_factory=dict)
    from_file: dict[str, Any] = field(default_factory=dict)
    variables: dict[Place, str] = field(default_factory=dict)
    """The environment variable that set each place."""
    faults: list[str] = field(default_factory=list)
    whole: bool = True
    """False if the file couldn't be read: a setting that seems to be missing may be in it."""
    folder: Path | None = None
    """The folder that the file is in, at which its relative paths begin; None: there is no file."""


def gather(path: Path | None, environ: Mapping[str, str]) -> Given:
    """Read the file, if there is one, and apply the environment on top. Never raises, but collects faults."""
    given = Given()
    if path is not None:
        given.folder = _absolute(path).parent
        _read_file(path, given)
    given.values = _copy(given.from_file)
    _read_environment(environ, given)
    return given


def _absolute(path: Path) -> Path:
    """Links aren't followed: a mounted configuration is often one, to a folder that changes with its content."""
    try:
        return path.absolute()
    except OSError:  # the current folder is gone
        return path


def _read_file(path: Path, given: Given) -> None:
    try:
        given.from_file = tomllib.loads(path.read_bytes().decode())
    except FileNotFoundError:
        given.faults.append(f"{path}: there is no such file. Name the configuration with --config or NHSMAIL_CONFIG.")
    except OSError as error:
        given.faults.append(f"{path}: can't be read ({error.strerror}). Let the worker's user read it.")
    except UnicodeDecodeError:
        given.faults.append(f"{path}: isn't UTF-8 text. Save it as UTF-8.")
    except tomllib.TOMLDecodeError as error:
        given.faults.append(f"{path}: {_not_toml(str(error))}")
    else:
        return
    given.whole = False


def _not_toml(reason: str) -> str:
    """Describe a parser's error without its quotation from the file, which may be a secret."""
    if "('account',)" in reason:
        return ONE_ACCOUNT
    place = re.search(r"\((at [^()]*)\)$", reason)
    where = f" ({place.group(1)})" if place else ""
    twice = re.match(r"Cannot (declare|overwrite|mutate|redefine|define)", reason)
    what = "a table or a key is given twice" if twice else "isn't TOML"
    return f'{what}{where}. Text needs quotation marks, as in every = "60s".'


ONE_ACCOUNT = (
    "one account only. NHSmail's policy: 'Caching or ‘banking’ the passwords of multiple NHSmail accounts is "
    "strictly forbidden.' Keep one account here. Each other account needs its own worker, with its own "
    "configuration."
)


def _read_environment(environ: Mapping[str, str], given: Given) -> None:
    for name in sorted(environ):
        place = _place_of(name, given.values)
        if place is None or not environ[name]:
            continue
        if place in given.variables:
            given.faults.append(f"{name}: sets the same as {given.variables[place]}. Keep one of them.")
        elif not all(place):
            given.faults.append(f"{name}: has an empty part. Write it as {ENVIRONMENT_PREFIX}TABLE{SEPARATOR}KEY.")
        elif len(place) > 1 and isinstance(given.values.get(place[0]), list):
            continue  # [[account]], which is reported elsewhere as a second account
        elif not _put(given.values, place, _decoded(place, environ[name])):
            given.faults.append(f"{name}: is inside a setting that isn't a table. Unset one of the two.")
        else:
            given.variables[place] = name


def _place_of(name: str, values: Mapping[str, Any]) -> Place | None:
    """Return the place that a variable sets, or None if it isn't ours: NHSMAIL_X__Y is a setting, NHSMAIL_X isn't."""
    if not name.upper().startswith(ENVIRONMENT_PREFIX):
        return None
    rest = name[len(ENVIRONMENT_PREFIX) :].lower()
    if rest in TABLES_AS_LISTS:
        return (rest,)
    if SEPARATOR not in rest:
        return None
    place = tuple(rest.split(SEPARATOR))
    if place[0] == "handler" and len(place) > 2:
        key = place[2:] if place[2] in _TABLES_OF_HANDLERS else (SEPARATOR.join(place[2:]),)
        return ("handler", _handler_name(place[1], values), *key)
    return place


def _handler_name(spelt: str, values: Mapping[str, Any]) -> str:
    """Return the name in the file that a variable means. A variable's name can't express capitals and hyphens."""
    handlers = values.get("handler")
    known = handlers if isinstance(handlers, dict) else {}
    return next((name for name in known if name.lower().replace("-", "_") == spelt.replace("-", "_")), spelt)


def _decoded(place: Place, text: str) -> Any:
    """Parse lists and tables as JSON; the rest stays text for the setting's type to read. A secret may start with [."""
    if place[0] == "handler" or text.lstrip()[:1] not in ("[", "{") or is_text(annotation_of(place)):
        return text  # only the handler's own settings, which are loaded later, know the types of its options
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _put(values: dict[str, Any], place: Place, value: Any) -> bool:
    *tables, key = place
    for table in tables:
        values = values.setdefault(table, {})
        if not isinstance(values, dict):
            return False
    values[key] = value
    return True


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value
