"""The JSON Schema of the configuration, made from its classes."""

from pathlib import Path

import msgspec

from agent.config.model import Config, RegisterMapName

Schema = dict[str, object]


def schema() -> Schema:
    """JSON Schema, Draft 2020-12, of the configuration file; editors complete and check with it."""
    made = msgspec.json.schema(Config, schema_hook=_hook)
    for definition in made["$defs"].values():
        definition["additionalProperties"] = False
        for name, value in definition["properties"].items():
            definition["properties"][name] = _typed(_without_null(value))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:portvakt:config:1",
        "title": "Portvakt configuration",
        **made,
    }


def _hook(kind: type) -> Schema:
    if kind in {Path, RegisterMapName}:
        return {"type": "string", "minLength": 1, "pattern": "^[^\\u0000]*$"}
    raise NotImplementedError(kind)


def _without_null(value: Schema) -> Schema:
    """TOML has no null: what is optional is left out, so the schema need not speak of it."""
    if value.get("default", ...) is None:
        value = {name: part for name, part in value.items() if name != "default"}
    options = value.get("anyOf")
    if not isinstance(options, list):
        return value
    kept = [option for option in options if option != {"type": "null"}]
    rest = {name: part for name, part in value.items() if name != "anyOf"}
    return {**kept[0], **rest} if len(kept) == 1 else {**rest, "anyOf": kept}


def _typed(value: Schema) -> Schema:
    """A choice of whole numbers is of them alone: for JSON Schema 9600.0 would be one of them, for TOML it is not."""
    choices = value.get("enum")
    whole = isinstance(choices, list) and all(isinstance(choice, int) for choice in choices)
    return {"type": "integer", **value} if whole else value


def resolve(node: Schema, root: Schema) -> Schema:
    """`node` with its `$ref`, if any, replaced by what that points to in `root`."""
    reference = node.get("$ref")
    definitions = root["$defs"]
    if not isinstance(reference, str) or not isinstance(definitions, dict):
        return node
    target: Schema = definitions[reference.rpartition("/")[2]]
    return {**target, **{name: part for name, part in node.items() if name != "$ref"}}
