"""The commands of the group `config`: the schema of the configuration file, and an example of a whole one."""

from typing import Any, Final

from pydantic import BaseModel

from worker.handling.catalogue import built_in_handlers
from worker.handling.signature import own_model
from worker.settings.example import example
from worker.settings.json_schema import settings_schema

_FIRST: Final = "archive"
"""The handler that the example's route uses."""


def configuration_schema() -> dict[str, Any]:
    """Return the JSON Schema of the configuration file, with the tables of the built-in handlers."""
    return settings_schema(_models())


def configuration_example() -> str:
    """Return a whole configuration with comments, as TOML."""
    models = _models()
    first = {_FIRST: models.pop(_FIRST)}
    return example({**first, **{name: model for name, model in models.items() if model is not None}})


def _models() -> dict[str, type[BaseModel] | None]:
    return {name: own_model(target) for name, target in built_in_handlers().items()}
