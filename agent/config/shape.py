"""Every way in which a document is not of the schema's shape, in words. Imported only when there is a problem."""

import json
from collections.abc import Iterator, Mapping, Sequence, Sized
from typing import cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from agent.config.document import NOT_FINITE
from agent.config.problems import Finding, Keys
from agent.config.schema import Schema, resolve

_TOML_WORDS = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number with a point",
    list: "an array",
    dict: "a table",
}
_SCHEMA_WORDS = {
    "string": "text in quotes",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "array": "an array",
    "object": "a table",
}


def findings(values: Mapping[str, object], schema: Schema) -> Iterator[Finding]:
    """Every value that is missing, of the wrong type, or out of range. Unknown keys are `strays`' business."""
    for error in _validator(schema).iter_errors(values):
        at = cast("Keys", tuple(error.absolute_path))
        node = cast("Schema", error.schema)
        if error.validator == "additionalProperties":
            continue
        if error.validator == "required":
            # One error for each missing key; each names all, so the message tells them apart.
            for key in cast("Sequence[str]", error.validator_value):
                if error.message.startswith(repr(key)):
                    yield Finding((*at, key), "is missing", _should_be(_property(node, key, schema)))
            continue
        yield Finding(at, _wrong(error), _should_be(resolve(node, schema)))


def _validator(schema: Schema) -> Draft202012Validator:
    """As strict as the decoder: 3.0 is no whole number in TOML."""
    checker = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    made: type[Draft202012Validator] = extend(Draft202012Validator, type_checker=checker)  # type: ignore[no-untyped-call]
    return made(schema)


def _property(node: Schema, key: str, root: Schema) -> Schema:
    properties = cast("dict[str, Schema]", node["properties"])
    return resolve(properties[key], root)


def _wrong(error: ValidationError) -> str:
    """What is wrong with a value, without repeating it unless it is a number or a choice."""
    value: object = error.instance
    size = len(value) if isinstance(value, Sized) else 0
    words = {
        "type": "is not finite" if value in NOT_FINITE else f"is {_TOML_WORDS.get(type(value), 'a date or time')}",
        "pattern": "has characters that do not belong there",
        "minLength": "is empty",
        "maxLength": f"is {size} characters long",
        "minItems": f"has {size} items",
        "maxItems": f"has {size} items",
    }
    return words.get(str(error.validator)) or f"is {_short(value)}"


def _short(value: object) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 40 else text[:39] + "…"  # noqa: PLR2004 - a line's worth


def _should_be(node: Schema) -> str:
    """In words, what fits `node`, with an example where the schema has one."""
    choices = node.get("enum")
    title = node.get("title")
    if isinstance(choices, list):
        words = "one of " * (len(choices) > 1) + ", ".join(_short(choice) for choice in choices)
    elif node.get("type") != "object" and isinstance(title, str):
        words = title
    else:
        words = _SCHEMA_WORDS.get(str(node.get("type")), "what `portvakt config schema` says")
    items = node.get("minItems")
    if isinstance(items, int) and items == node.get("maxItems"):
        words = f"{items} numbers in brackets"
    examples = node.get("examples")
    example = f", for example {_short(examples[0])}" if isinstance(examples, list) else ""
    return f"should be {words}{example}"
