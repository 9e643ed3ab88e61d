"""The form of the configuration file as JSON Schema, from which editors complete and check it.

It describes the file alone, so secrets are refused. It can't say all that `nhsmail-worker check` finds: what must hold
between settings, what files and patterns hold, and what handlers from elsewhere take. Any setting may come from the
environment instead, so none is required in the file, save within a route.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import BeforeValidatorFunctionSchema, NullableSchema, TimedeltaSchema

from worker.settings.described import described
from worker.settings.model import Place, is_kept_out, table_in
from worker.settings.routes import HandlerRules, RouteSettings
from worker.settings.tree import Settings
from worker.settings.types import HANDLER_NAME, NAME, Table, read_list
from worker.settings.units import DURATION, SIZE, format_duration, format_size

Schema = dict[str, Any]

DRAFT: Final = "http://json-schema.org/draft-07/schema#"
_ZERO: Final = r"^\s*[0.]+\s*[a-z]+\s*$"
_USE: Final = {
    "type": "string",
    "pattern": HANDLER_NAME,
    "description": "What the handler is: the name of an installed handler, or `package.module:name`. Unset: the "
    "table's own name.",
}


def settings_schema(handlers: Mapping[str, type[BaseModel] | None]) -> Schema:
    """Return the schema of the whole file.

    handlers: the settings of the installed handlers that are known, by their names; None for one that has none.
    """
    tables = {
        field.alias or name: _table(table, (field.alias or name,))
        for name, field in Settings.model_fields.items()
        if (table := table_in(field.annotation)) is not None
    }
    route = _table(RouteSettings, ("route",))
    route["required"] = [
        field.alias or name for name, field in RouteSettings.model_fields.items() if field.is_required()
    ]
    return {
        "$schema": DRAFT,
        "title": "nhsmail-worker",
        "description": "The configuration of nhsmail-worker.",
        "type": "object",
        "properties": {
            **tables,
            "route": {"type": "array", "description": RouteSettings.about, "items": route},
            "handler": {
                "type": "object",
                "description": "Handlers, each in a table with a name of its own: `[handler.NAME]`.",
                "properties": {name: _bearing_its_name(name, model) for name, model in handlers.items()},
                "patternProperties": {NAME: _under_any_name(handlers)},
                "additionalProperties": False,
            },
        },
        "additionalProperties": False,
        "definitions": {_definition(name): handler_schema(model) for name, model in handlers.items()},
    }


def handler_schema(model: type[BaseModel] | None) -> Schema:
    """Return the schema of a handler's table. model: its own settings; None if it has none."""
    ours = _table(HandlerRules, ("handler",))
    nothing: Schema = {"properties": {}, "additionalProperties": False}
    own = nothing if model is None else _table(model, ("handler",), _HandlersValues)
    return {**own, "type": "object", "properties": {"use": _USE, **own["properties"], **ours["properties"]}}


def _definition(name: str) -> str:
    return f"handler-{name}"


def _bearing_its_name(name: str, model: type[BaseModel] | None) -> Schema:
    """The table that has a handler's name: it is that handler's, unless `use` says otherwise.

    The properties say nothing but what they mean: editors complete from them, and don't look behind a condition.
    """
    own = {} if model is None else _table(model, ("handler",))["properties"]
    return {
        "type": "object",
        "properties": {key: {"description": about["description"]} for key, about in own.items()},
        "if": {"not": {"required": ["use"]}},
        "then": {"$ref": f"#/definitions/{_definition(name)}"},
    }


def _under_any_name(handlers: Mapping[str, type[BaseModel] | None]) -> Schema:
    """Any handler's table: the worker's own keys, and what the handler takes that `use` names, if it is known.

    One condition within the other, and no `allOf`: editors don't complete from a table that has one.
    """
    ours = _table(HandlerRules, ("handler",))
    known: Schema = {}
    for name in reversed(list(handlers)):
        is_used = {"properties": {"use": {"const": name}}, "required": ["use"]}
        otherwise = {"else": known} if known else {}
        known = {"if": is_used, "then": {"$ref": f"#/definitions/{_definition(name)}"}, **otherwise}
    return {"type": "object", "properties": {"use": _USE, **ours["properties"]}, **known}


def _table(model: type[BaseModel], place: Place, values: type["_Values"] | None = None) -> Schema:
    properties: Schema = {}
    for name, field in model.model_fields.items():
        key = field.alias or name
        table = table_in(field.annotation)
        if table is not None and not _may_be_other(field):
            properties[key] = _table(table, (*place, key), values)
        elif is_kept_out((*place, key), field.annotation):
            told = f"{field.description or ''} A secret: never in this file. `{key}_file` names a file that holds it."
            properties[key] = {"not": {}, "description": told.strip()}
        else:
            properties[key] = _value(field, values or _Values)
    for one in described(model):  # and the settings that name the files of secrets
        properties.setdefault(one.key, {"type": "string", "description": one.meaning})
    about: Schema = {"description": model.about} if issubclass(model, Table) and model.about else {}
    may_have_more = model.model_config.get("extra") == "allow"
    return {"type": "object", **about, "properties": properties, "additionalProperties": may_have_more}


def _may_be_other(field: FieldInfo) -> bool:
    """Whether a setting may be a table or something else."""
    return bool(field.metadata)


def _value(field: FieldInfo, values: type["_Values"]) -> Schema:
    annotation: Any = field.annotation
    for mark in field.metadata:
        annotation = Annotated[annotation, mark]
    written = TypeAdapter(annotation).json_schema(schema_generator=values)
    schema = _inlined(written, written.pop("$defs", {}))
    if field.description:
        schema["description"] = field.description
    default = None if field.is_required() else _default(field, schema)
    return schema if default is None else {**schema, "default": default}


def _default(field: FieldInfo, schema: Schema) -> Any:
    if field.default_factory_takes_validated_data:
        return None
    return _as_written(field.get_default(call_default_factory=True), is_text=schema.get("type") == "string")


def _as_written(value: Any, *, is_text: bool) -> Any:
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, tuple | list | frozenset):
        return [_as_written(item, is_text=is_text) for item in value]
    if isinstance(value, bool | float | dict) or value is None:
        return value
    if isinstance(value, int):
        return format_size(value) if is_text else value
    return str(value)


def _inlined(schema: Any, definitions: Schema) -> Any:
    """The schema without references, titles, and whatever only we understand."""
    if isinstance(schema, list):
        return [_inlined(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[str(schema["$ref"]).rpartition("/")[2]], definitions)
    kept = {key: _inlined(value, definitions) for key, value in schema.items() if key not in _NOISE}
    if "anyOf" in kept:
        kept.pop("minLength", None)  # of the list, and each choice says its own
    if "prefixItems" in kept:
        kept["items"] = kept.pop("prefixItems")  # as the draft has it that editors know
    if schema.get("gt") == "PT0S":
        kept["not"] = {"type": "string", "pattern": _ZERO}
    return kept


_NOISE: Final = frozenset({"title", "maxLength", "gt", "ge", "le", "lt", "default", "format"})


class _Values(GenerateJsonSchema):
    """Values as TOML writes them: durations and sizes are texts, and there is no null."""

    def timedelta_schema(self, schema: TimedeltaSchema) -> JsonSchemaValue:  # noqa: ARG002 -- the library calls it
        return {"type": "string", "pattern": DURATION}

    def nullable_schema(self, schema: NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def function_before_schema(self, schema: BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        found = super().function_before_schema(schema)
        if schema["function"]["function"] is not read_list or "items" not in found:
            return found
        return {"anyOf": [found["items"], {**found, "minItems": 1}]}


class _HandlersValues(_Values):
    """The same for a handler's own settings, where a whole number may be written as a size."""

    def int_schema(self, schema: Any) -> JsonSchemaValue:
        return {"anyOf": [super().int_schema(schema), {"type": "string", "pattern": SIZE}]}
