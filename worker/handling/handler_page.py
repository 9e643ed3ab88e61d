"""Writes docs/handler-settings.md from the built-in handlers: `python -m worker.handling.handler_page`."""

import sys
from collections.abc import Iterator
from typing import Any, Final

from worker.handling.catalogue import built_in_handlers
from worker.handling.signature import own_model
from worker.settings.described import described
from worker.settings.reference import TABLE_HEAD, table_row

_HEAD: Final = """\
# Settings of the built-in handlers

<!-- Written by `python -m worker.handling.handler_page`; a test compares the two. -->

Each handler has a table of its own, `[handler.NAME]`. `use` says which handler it is; without `use`, NAME says it. So
there can be several archives, each with its own name. What the handlers do, and how, is in
[Handlers](handlers.md#built-in).

- Each setting can also come from the environment: `NHSMAIL_HANDLER__NAME__KEY`. The environment beats the file.
- Secrets are never in the configuration file. They come from the environment, or from a file that the setting with
  `_file` names.
- A path that doesn't begin with `/` begins at the folder of the configuration file.
- Each table also takes the worker's own keys, such as `isolate` and `time_limit`:
  [`[handler.NAME]`](configuration.md#handlername).
- `nhsmail-worker handler list` shows all handlers, yours as well. `nhsmail-worker handler show archive` shows one with
  its settings.
"""


def handler_page() -> str:
    """Return the whole page."""
    parts = [_HEAD, *(part for name, target in built_in_handlers().items() for part in _handler(name, target))]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _handler(name: str, target: Any) -> Iterator[str]:
    does = str(target.__doc__).partition("\n")[0]
    yield f"\n## `{name}`\n\n{does}\n"
    model = own_model(target)
    if model is None:
        yield "It has no settings, so it needs no table."
        return
    settings = list(described(model))
    yield TABLE_HEAD + "".join(table_row(f"`{one.key}`", one) for one in settings)
    required = "\n".join(f"{one.key} = {one.example}" for one in settings if one.is_required)
    if required:
        yield f"```toml\n[handler.{name}]\n{required}\n```"


if __name__ == "__main__":
    sys.stdout.write(handler_page())
