"""Which of the worker's secrets the processes of handlers can read beside it, for `check`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from worker.handling.isolate.other_user import may_read, user_named
from worker.handling.loading import targets_of
from worker.handling.own_settings import secret_keys
from worker.settings import HandlerSettings, Settings
from worker.settings.model import Place, secret_places, twin
from worker.settings.secrets import has_password
from worker.settings.wording import title, variable

_OF_LIBRARIES = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_CLIENT_SECRET",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_KEY",
    "AZURE_STORAGE_SAS_KEY",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "PGPASSWORD",
)
"""Variables that the libraries of built-in handlers and of the journal read secrets from."""


def exposure_findings(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """What to tell the user of secrets that handlers can read. Names settings and variables, and no value."""
    return [*_in_the_environment(settings, targets_of(settings), environ), *_in_files(settings)]


def _in_the_environment(settings: Settings, targets: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[str]:
    places = [*_own_secrets(settings), *_secrets_of_handlers(settings, targets)]
    names = [variable(place) for place in places]
    names += [name for name in _OF_LIBRARIES if environ.get(name)]
    names += sorted(name for name, value in environ.items() if name.lower().endswith("_proxy") and has_password(value))
    beside = list(_same_user(settings, targets))
    if not names or not beside:
        return
    files = ", ".join(title(twin(place)) for place in places)
    yield (
        f"Secrets in the environment: {', '.join(names)}. These run as the worker's own user: "
        f"{' and '.join(beside)}. They can't read the worker's process. But they can read, in /proc, the environment "
        "of the process that started it (in a container its init), which is the same. Use a file"
        f'{f" ({files})" if files else ""}, and let these handlers run as another user, isolate = {{ user = "…" }}. '
        "Otherwise they can read whatever the worker's user can read."
    )


def _same_user(settings: Settings, targets: Mapping[str, Any]) -> Iterator[str]:
    """The handlers that have processes of their own, which run as the worker's user; in words."""
    for name, target in targets.items():
        table = settings.handlers.get(name, HandlerSettings())
        if table.user is not None:
            continue
        if table.isolate:
            yield f"the isolated handler '{name}'"
        elif getattr(target, "starts_programs", False) is True:
            yield f"the programs of '{name}'"


def _own_secrets(settings: Settings) -> Iterator[Place]:
    """The worker's own secrets that were set in the environment, which is where a secret is that no file holds."""
    for place, is_url in secret_places():
        value = _at(settings, place)
        if isinstance(value, SecretStr) and (not is_url or has_password(value.get_secret_value())):
            yield place


def _secrets_of_handlers(settings: Settings, targets: Mapping[str, Any]) -> Iterator[Place]:
    """The secrets of handlers that were set in the environment."""
    for name, table in settings.handlers.items():
        for key in secret_keys(targets[name]):
            if key in table.options and key not in table.from_file:
                yield "handler", name, key


def _in_files(settings: Settings) -> Iterator[str]:
    """The files with secrets that the users of handlers can read all the same."""
    files = [*(twin(place) for place, _ in secret_places()), ("account", "oauth", "certificate_file")]
    for name, table in settings.handlers.items():
        for place in files:
            path = _at(settings, place)
            if table.user is not None and isinstance(path, Path) and may_read(user_named(table.user), path):
                yield (
                    f"[handler.{name}] isolate: its user, {table.user}, can read {path}, which {title(place)} names: "
                    "the handler can read that secret. Remove the right to read from the file, or from a folder "
                    "above it."
                )


def _at(settings: Settings, place: Place) -> object:
    found: object = settings
    for key in place:
        found = getattr(found, key)
    return found
