"""All settings by name with their values as text, so that changes can be detected. Contains no secrets."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, SecretStr

from worker.settings.routes import HandlerRules, HandlerSettings
from worker.settings.tree import Settings


def values_by_setting(settings: Settings) -> dict[str, str]:
    """Return the text of each value under a name such as `poll.every`; for a secret, only whether it is set."""
    return dict(_values(settings, ""))


def _values(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, HandlerSettings):
        yield f"{name}.use", value.use or ""
        for rule in HandlerRules.model_fields:
            yield f"{name}.{rule}", str(getattr(value, rule))
        # Only options from the file, because those from the environment may be secrets.
        for option in sorted(value.from_file):
            yield f"{name}.{option}", json.dumps(value.options.get(option), sort_keys=True, default=str)
    elif isinstance(value, BaseModel):
        for field, described in type(value).model_fields.items():
            yield from _values(getattr(value, field), _joined(name, described.alias or field))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _values(item, _joined(name, str(key)))
    elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        for number, item in enumerate(value, 1):
            yield from _values(item, _joined(name, str(number)))
    elif isinstance(value, SecretStr):
        yield name, "set"
    else:
        yield name, str(value)


def _joined(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key
