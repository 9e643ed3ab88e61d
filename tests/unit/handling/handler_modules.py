"""Modules of handlers to load, and configurations that name them."""

from pathlib import Path

import pytest

from worker.handling.loading import load_handlers
from worker.settings import Settings, SettingsError, load

MODULE = """
from datetime import timedelta
from pydantic import BaseModel, SecretStr

CALLS = []

def plain(message):
    CALLS.append(("plain", message))

def two(message, other): ...
async def promise(message): ...
def lazily(message):
    yield message
def hidden_promise(message):
    return promise(message)

class NoCall: ...

class Simple:
    def __call__(self, message):
        CALLS.append(("simple", message))

class Configured:
    class Settings(BaseModel):
        url: str
        every: timedelta = timedelta(seconds=1)
        limit: int = 3
        names: list[str] = []
        token: SecretStr | None = None

    def __init__(self, settings):
        self.settings = settings
        if settings.limit == 13:
            raise PermissionError(f"not with {settings.token.get_secret_value() if settings.token else settings.url}")

    def __call__(self, message):
        CALLS.append((self.settings.url, message))

    def flush(self):
        CALLS.append("flush")

    def close(self):
        CALLS.append("close")

class WrongSettings:
    class Settings: ...
    def __call__(self, message): ...

class NeedsMore:
    def __init__(self, more): ...
    def __call__(self, message): ...

class TakesNone:
    class Settings(BaseModel): ...
    def __init__(self): ...
    def __call__(self, message): ...

ready = Simple()
number = 3
"""


RAISES = 1 + [line.strip().startswith("raise PermissionError") for line in MODULE.splitlines()].index(True)


def settings(folder: Path, handlers: str, tables: str = "", environ: dict[str, str] | None = None) -> Settings:
    path = folder / "worker.toml"
    path.write_text(
        f'[account]\naddress = "a@nhs.net"\n[[route]]\nname = "all"\nhandlers = {handlers}\n[junk]\n'
        f'handlers = ["some_handlers:plain"]\n{tables}'
    )
    return load(path, {"NHSMAIL_ACCOUNT__PASSWORD": "Correct-Horse-7", **(environ or {})})


def faults(folder: Path, handlers: str, tables: str = "", environ: dict[str, str] | None = None) -> list[str]:
    checked = settings(folder, handlers, tables, environ)
    with pytest.raises(SettingsError) as caught:
        load_handlers(checked)
    return caught.value.faults


def only_fault(folder: Path, name: str) -> str:
    """The one fault of a route that names this handler."""
    (fault,) = faults(folder, f'["{name}"]')
    assert fault.startswith(f"[handler.{name}]")
    assert "\n" not in fault
    assert "Traceback" not in fault
    return fault
