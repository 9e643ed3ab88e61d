"""Writes docs/configuration.md from the settings: `python -m worker.settings.reference > docs/configuration.md`."""

import sys
from collections.abc import Iterator

from pydantic.fields import FieldInfo

from worker.settings.described import Described, describe_setting
from worker.settings.model import Place, table_in
from worker.settings.routes import HandlerRules, MatchSettings, RouteSettings, SizeMatch
from worker.settings.tree import Settings
from worker.settings.types import Table
from worker.settings.wording import variable

_HEAD = """\
# Configuration

<!-- Written by `python -m worker.settings.reference`; a test compares the two. -->

The worker reads one TOML file: `--config FILE`, or `NHSMAIL_CONFIG`, or `worker.toml` in the current folder. Every
setting can also come from the environment, which takes precedence over the file: `[poll] every` is
`NHSMAIL_POLL__EVERY`. Lists and tables are JSON there: `NHSMAIL_POLL__FOLDERS='["INBOX", "Results"]'`. Routes are one
list, `NHSMAIL_ROUTE`. An empty variable counts as not set. The worker ignores variables that begin with `NHSMAIL_` and
have no `__`.

`nhsmail-worker check` reports everything that is wrong at once. A key that isn't on this page is an error.

- A **duration** is a number and a unit, `ms` `s` `m` `h` or `d`: `"60s"`, `"0.2s"`, `"1.5h"`.
- A **size** is a number and a unit: `B`, `kB` `MB` `GB` (1,000, 1,000,000, … bytes), or `KiB` `MiB` `GiB` (1,024, …):
  `"40MB"`.
- A **path** that doesn't begin with `/` begins at the folder of the configuration file. In the environment it begins at
  the current folder.
- **Numbers**, `true` and `false` have no quotation marks in the file: `idle = true`, `port = 993`.
- A **secret** is never in the configuration file. It comes from the environment, or from its own file, which the
  setting that ends in `_file` names. The environment takes precedence over that file. A URL with a password may not be
  in the configuration file either.

`nhsmail-worker config example` prints a whole configuration: every setting with its meaning and its default, as
comments. The settings of the built-in handlers are on [a page of their own](handler-settings.md).

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

## In an editor

The configuration has a JSON Schema. An editor that knows TOML completes settings from it, shows what each means, and
marks mistakes. Even Better TOML for Visual Studio Code does, and so does every editor that uses the language server
taplo. Write the schema beside the configuration:

    nhsmail-worker config schema > worker.schema.json

Then name it in the first line of the configuration:

    #:schema ./worker.schema.json

Write the schema again after an upgrade. It describes the file alone, so a secret is a mistake by it. It doesn't know
all that `nhsmail-worker check` finds.
"""

_HANDLERS = """
## `[handler.NAME]`

A handler with a name, for routes and `[junk] handlers` to use. `use` is the entry point of an installed handler, or
`package.module:name`. Without `use`, NAME is the entry point. All other keys are the handler's own settings, which the
worker checks at the start. `NHSMAIL_HANDLER__NAME__KEY` sets them too. A handler without settings needs no table: a
route can name its entry point, or `package.module:name`, directly. Its secrets follow the rule above, `_file` included.
In addition to `use`, a few keys in every such table belong to the worker: """


TABLE_HEAD = "| setting | type | default | meaning |\n|---|---|---|---|\n"


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
    parts.append(f"{TABLE_HEAD}{rows}\n{HandlerRules.about}")
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _tables(place: Place, table: type[Table]) -> Iterator[str]:
    yield _section(f"[{'.'.join(place)}]", table, place)
    for name, field in table.model_fields.items():
        within = table_in(field.annotation)
        if within is not None and issubclass(within, Table):
            yield from _tables((*place, name), within)


def _section(heading: str, table: type[Table], place: Place) -> str:
    rows = "".join(_row(name, field, place) for name, field in table.model_fields.items() if not _is_table(field))
    return f"\n## `{heading}`\n\n{table.about}\n\n{TABLE_HEAD}{rows}"


def _is_table(field: FieldInfo) -> bool:
    table = table_in(field.annotation)
    return table is not None and table is not SizeMatch and table is not MatchSettings


def _row(name: str, field: FieldInfo, place: Place) -> str:
    one = describe_setting(name, field)
    below = f"<br>`{variable((*place, one.key))}`" if place else ""
    return table_row(f"`{one.key}`{below}", one)


def table_row(first: str, one: Described) -> str:
    """Return a row of a table of settings. first: its first cell."""
    cells = (first, one.kind, one.default, one.meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
