"""JSON Schema of type hints."""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import decimal
import enum
import types
import typing
import uuid
from typing import Annotated, Any, Literal, Union

from . import _docstring
from ._values import encode

Schema = dict[str, Any]

DECIMAL = r"^-?[0-9]+(\.[0-9]+)?$"
_PLAIN: dict[Any, Schema] = {
    Any: {},
    object: {},
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    None: {"type": "null"},
    type(None): {"type": "null"},
    bytes: {"type": "string", "contentEncoding": "base64"},
    datetime.datetime: {"type": "string", "format": "date-time"},
    datetime.date: {"type": "string", "format": "date"},
    datetime.time: {"type": "string", "format": "time"},
    datetime.timedelta: {"type": "number", "description": "Seconds."},
    decimal.Decimal: {"type": "string", "pattern": DECIMAL},
    uuid.UUID: {"type": "string", "format": "uuid"},
}
LISTS = (list, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
SETS = (set, frozenset, collections.abc.Set)
MAPS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_WRAPPERS = [getattr(typing, name, None) for name in ("Required", "NotRequired", "ReadOnly")]


class HintError(TypeError):
    """A type hint that has no JSON Schema here, and where it is."""


@dataclasses.dataclass(frozen=True)
class Member:
    """A member of an object type: a field, with its hint, default and description."""

    name: str
    hint: Any
    required: bool
    default: Any
    description: str
    given: bool = True


def unwrapped(hint: Any) -> tuple[Any, list[Any]]:
    """A hint without names and annotations, and the annotations."""
    notes: list[Any] = []
    while True:
        if typing.get_origin(hint) is Annotated:
            notes = [*hint.__metadata__, *notes]
            hint = hint.__origin__
        elif typing.get_origin(hint) in _WRAPPERS and typing.get_origin(hint) is not None:
            hint = typing.get_args(hint)[0]
        elif hasattr(hint, "__supertype__"):
            hint = hint.__supertype__
        elif type(hint).__name__ == "TypeAliasType":
            hint = hint.__value__
        else:
            return hint, notes


def schema(hint: Any, at: str, *, output: bool = False, within: tuple[Any, ...] = ()) -> Schema:
    """The JSON Schema of a type. `at` says where the hint is, for errors.

    An object of an output may have more members than the type.
    """
    base, notes = unwrapped(hint)
    whole = _of(base, at, output, within)
    for note in notes:
        # Text describes it, a dict is JSON Schema as it is. Other annotations are for others.
        if isinstance(note, dict):
            whole.update(note)
        elif isinstance(note, str):
            whole["description"] = note
    return whole


def _of(hint: Any, at: str, output: bool, within: tuple[Any, ...]) -> Schema:
    origin, args = typing.get_origin(hint), typing.get_args(hint)

    def inner(hint: Any, name: str) -> Schema:
        return schema(hint, f"{at}{name}", output=output, within=within)

    if (plain := _plain(hint)) is not None:
        return dict(plain)
    if origin is Literal:
        return enumeration([value.value if isinstance(value, enum.Enum) else value for value in args], at)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return described(enumeration([member.value for member in hint], at), _docstring.read(hint).text)
    if origin in (Union, types.UnionType):
        return _union(args, at, inner)
    if (origin or hint) in LISTS:
        return {"type": "array", "items": inner(args[0], "[]")} if args else {"type": "array"}
    if (origin or hint) in SETS:
        unique = {"type": "array", "uniqueItems": True}
        return {**unique, "items": inner(args[0], "[]")} if args else unique
    if (origin or hint) is tuple:
        return _tuple(args, inner)
    if (origin or hint) in MAPS:
        return _map(args, at, inner)
    if is_object(origin or hint):
        return _object(hint, at, output, within)
    raise HintError(
        f"{at}: {_name(hint)} has no JSON Schema here; use str, int, float, bool, bytes, datetime, Decimal, UUID, "
        "list, set, tuple, dict, Literal, Optional, an Enum, a TypedDict or a dataclass"
    )


def _plain(hint: Any) -> Schema | None:
    try:
        return _PLAIN.get(hint)
    except TypeError:
        # A hint with a dict in an annotation has no hash.
        return None


def _name(hint: Any) -> str:
    return hint.__qualname__ if isinstance(hint, type) else repr(hint)


def is_object(hint: Any) -> bool:
    """Whether a type becomes an object with named members."""
    named = isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields")
    return isinstance(hint, type) and (dataclasses.is_dataclass(hint) or typing.is_typeddict(hint) or named)


def enumeration(values: list[Any], at: str) -> Schema:
    """One of some values: of one JSON type, or of several."""
    names = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
    kinds: list[str] = []
    for value in values:
        kind = next((name for base, name in names.items() if isinstance(value, base)), None)
        if kind is None:
            raise HintError(f"{at}: {value!r} is not a value that JSON has")
        if kind not in kinds:
            kinds.append(kind)
    plain = [encode(value, at) for value in values]
    if len([kind for kind in kinds if kind != "null"]) > 1:
        return {"enum": plain}
    return {"type": kinds[0] if len(kinds) == 1 else kinds, "enum": plain}


def described(whole: Schema, text: str) -> Schema:
    """A schema with a description, unless there is no text."""
    return {**whole, "description": text} if text else whole


def _union(args: tuple[Any, ...], at: str, inner: Any) -> Schema:
    choices = [choice for choice in args if choice not in (None, type(None))]
    found: Schema
    if len(choices) == 1:
        found = inner(choices[0], "")
    else:
        objects = [choice for choice in choices if is_object(unwrapped(choice)[0])]
        name = tag(objects) if len(objects) > 1 else None
        if len(objects) > 1 and name is None:
            names = ", ".join(_name(choice) for choice in objects)
            raise HintError(
                f"{at}: {names} cannot be told apart; give each a member of one name whose type is a Literal of "
                'its own, as in `kind: Literal["card"]`'
            )
        listed = [_tagged(inner(choice, ""), name if choice in objects else None) for choice in choices]
        found = {"oneOf" if len(objects) == len(choices) else "anyOf": listed}
    return nullable(found) if len(choices) < len(args) else found


def _tagged(whole: Schema, name: str | None) -> Schema:
    """An object that always has its tag."""
    if name is None:
        return whole
    own = {key: value for key, value in whole["properties"][name].items() if key != "default"}
    required = [*dict.fromkeys([name, *whole["required"]])]
    return {**whole, "properties": {**whole["properties"], name: own}, "required": required}


def nullable(whole: Schema) -> Schema:
    """A schema that null matches, too. It stays one type where it can, so that policies see one optional type."""
    whole = dict(whole)
    for combined in ("anyOf", "oneOf"):
        if combined in whole:
            return {**whole, combined: [*whole[combined], {"type": "null"}]}
    if "enum" in whole and None not in whole["enum"]:
        whole["enum"] = [*whole["enum"], None]
    kinds = whole.get("type")
    if kinds is not None:
        listed = kinds if isinstance(kinds, list) else [kinds]
        whole["type"] = listed if "null" in listed else [*listed, "null"]
    return whole


def tag(objects: list[Any]) -> str | None:
    """The member that tells objects apart: a Literal of different texts in each."""
    names: list[set[str]] = []
    for choice in objects:
        literals = {m.name for m in members(choice) if typing.get_origin(unwrapped(m.hint)[0]) is Literal}
        names.append(literals)
    for name in sorted(set.intersection(*names)):
        values = [value for choice in objects for value in tag_values(choice, name)]
        if len(set(values)) == len(values):
            return name
    return None


def tag_values(choice: Any, name: str) -> tuple[Any, ...]:
    """The values that a member has in one of several objects."""
    hint = next(member.hint for member in members(choice) if member.name == name)
    return typing.get_args(unwrapped(hint)[0])


def _tuple(args: tuple[Any, ...], inner: Any) -> Schema:
    if not args:
        return {"type": "array"}
    if len(args) == 2 and args[1] is Ellipsis:
        return {"type": "array", "items": inner(args[0], "[]")}
    items = [inner(item, f"[{index}]") for index, item in enumerate(args)]
    return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items), "maxItems": len(items)}


def _map(args: tuple[Any, ...], at: str, inner: Any) -> Schema:
    if not args:
        return {"type": "object"}
    if unwrapped(args[0])[0] is not str:
        raise HintError(f"{at}: the keys of an object are texts, not {_name(args[0])}")
    values = inner(args[1], "{}")
    return {"type": "object", "additionalProperties": values} if values else {"type": "object"}


def _object(hint: Any, at: str, output: bool, within: tuple[Any, ...]) -> Schema:
    base = typing.get_origin(hint) or hint
    if base in within:
        raise HintError(f"{at}: {_name(base)} contains itself; limit how deep it can be with types of their own")
    if typing.get_args(hint):
        raise HintError(f"{at}: {_name(base)} has type parameters; write a type without")
    listed = [m for m in members(base) if output or m.given]
    properties: Schema = {}
    for member in listed:
        inner = schema(member.hint, f"{at}.{member.name}", output=output, within=(*within, base))
        properties[member.name] = with_default(described(inner, member.description), member, at, output)
    # What a tool returns has all its fields, with or without defaults.
    optional = typing.is_typeddict(base)
    required = [m.name for m in listed if m.required or (output and not optional)]
    text = _docstring.read(base).text
    return described(closed(properties, required, output=output), text)


def with_default(whole: Schema, member: Member, at: str, output: bool) -> Schema:
    """The schema of a member with its default; null is none, because it is what is absent."""
    if output or member.required or member.default is None or member.default is dataclasses.MISSING:
        return whole
    return {**whole, "default": encode(member.default, f"{at}.{member.name}")}


def closed(properties: Schema, required: list[str], *, output: bool = False) -> Schema:
    """An object with these members; in arguments, with no others."""
    whole: Schema = {"type": "object", "properties": properties, "required": required}
    return whole if output else {**whole, "additionalProperties": False}


def _needed(hint: Any, name: str, member: Any) -> bool:
    # Python does not see these in a quoted hint.
    written = getattr(typing.get_origin(member), "_name", None)
    return written == "Required" or (name in hint.__required_keys__ and written != "NotRequired")


def members(hint: Any) -> list[Member]:
    """The members of a dataclass, a TypedDict or a NamedTuple."""
    hints = typing.get_type_hints(hint, include_extras=True)
    texts = _docstring.read(hint).arguments
    if unknown := [name for name in texts if name not in hints]:
        raise HintError(f"the docstring of {_name(hint)} describes `{unknown[0]}`, which it does not have")
    if typing.is_typeddict(hint):
        return [Member(n, h, _needed(hint, n, h), dataclasses.MISSING, texts.get(n, "")) for n, h in hints.items()]
    if not dataclasses.is_dataclass(hint):
        # A NamedTuple.
        defaults: dict[str, Any] = getattr(hint, "_field_defaults", {})
        return [
            Member(n, hints.get(n, Any), n not in defaults, defaults.get(n), texts.get(n, "")) for n in hint._fields
        ]
    found = []
    for own in dataclasses.fields(hint):
        default = own.default
        if own.default_factory is not dataclasses.MISSING:
            default = own.default_factory()
        text = texts.get(own.name, "")
        found.append(Member(own.name, hints[own.name], default is dataclasses.MISSING, default, text, own.init))
    return found
