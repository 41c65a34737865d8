"""Whether a JSON value matches a schema that `_schema` made. The gate checks, too, with every keyword."""

from __future__ import annotations

import re
from typing import Any

_TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
    "array": list,
    "object": dict,
}


def problem(schema: dict[str, Any], value: Any, at: str = "") -> str | None:
    """The first thing that does not match, with its JSON pointer; nothing if all does."""
    where = f"`{at}`" if at else "it"
    kinds = schema.get("type", [])
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if kinds and not any(_is(kind, value) for kind in kinds):
        return f"{where} is not of the type {' or '.join(kinds)}"
    if "enum" in schema and not any(type(one) is type(value) and one == value for one in schema["enum"]):
        return f"{where} is not one of {', '.join(map(repr, schema['enum']))}"
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            found = [problem(choice, value, at) for choice in schema[keyword]]
            if None not in found:
                return found[0] if len(found) == 1 else f"{where} matches none of its {len(found)} types: {found[0]}"
    if isinstance(value, dict):
        return _object(schema, value, at, where)
    if isinstance(value, list):
        return _array(schema, value, at, where)
    return _bounds(schema, value, where)


def _is(kind: str, value: Any) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[kind])


def _object(schema: dict[str, Any], value: dict[str, Any], at: str, where: str) -> str | None:
    properties = schema.get("properties", {})
    for name in schema.get("required", []):
        if name not in value:
            return f"{where} lacks `{name}`"
    more = schema.get("additionalProperties", True)
    for name, item in value.items():
        inner = properties.get(name, more)
        if inner is False:
            return f"{where} has the unknown member `{name}`"
        if isinstance(inner, dict) and (found := problem(inner, item, f"{at}/{name}")):
            return found
    return None


def _array(schema: dict[str, Any], value: list[Any], at: str, where: str) -> str | None:
    if len(value) < schema.get("minItems", 0):
        return f"{where} has fewer than {schema['minItems']} items"
    if len(value) > schema.get("maxItems", len(value)):
        return f"{where} has more than {schema['maxItems']} items"
    if schema.get("uniqueItems") and any(item in value[:index] for index, item in enumerate(value)):
        return f"{where} has an item twice"
    prefix = schema.get("prefixItems", [])
    for index, item in enumerate(value):
        inner = prefix[index] if index < len(prefix) else schema.get("items", True)
        if isinstance(inner, dict) and (found := problem(inner, item, f"{at}/{index}")):
            return found
    return None


def _bounds(schema: dict[str, Any], value: Any, where: str) -> str | None:
    if isinstance(value, str):
        if len(value) < schema.get("minLength", 0):
            return f"{where} has fewer than {schema['minLength']} characters"
        if len(value) > schema.get("maxLength", len(value)):
            return f"{where} has more than {schema['maxLength']} characters"
        if "pattern" in schema and not re.search(schema["pattern"], value):
            return f"{where} does not match the pattern {schema['pattern']}"
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if value < schema.get("minimum", value):
            return f"{where} is less than {schema['minimum']}"
        if value > schema.get("maximum", value):
            return f"{where} is more than {schema['maximum']}"
    return None
