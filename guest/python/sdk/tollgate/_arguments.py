"""JSON values as Python values of their types."""

from __future__ import annotations

import base64
import datetime
import decimal
import enum
import types
import typing
import uuid
from collections.abc import Callable
from typing import Any, Literal, Union

from . import _schema
from ._check import problem
from .errors import InvalidArguments


def _moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00").replace("z", "+00:00"))


_READERS: dict[Any, Callable[[Any], Any]] = {
    float: float,
    bytes: lambda text: base64.b64decode(text, validate=True),
    datetime.datetime: _moment,
    datetime.date: datetime.date.fromisoformat,
    datetime.time: lambda text: datetime.time.fromisoformat(text.replace("Z", "+00:00")),
    datetime.timedelta: lambda seconds: datetime.timedelta(seconds=seconds),
    decimal.Decimal: decimal.Decimal,
    uuid.UUID: uuid.UUID,
}


def decode(hint: Any, value: Any, at: str = "") -> Any:
    """A JSON value as its type; it matches the type's schema.

    Raises:
        InvalidArguments: If the type itself refuses it, such as a date that no calendar has.
    """
    hint, _ = _schema.unwrapped(hint)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if value is None:
        return None
    if origin in (Union, types.UnionType):
        return _choice([a for a in args if a not in (None, type(None))], value, at)
    if origin is Literal:
        return next((one for one in args if isinstance(one, enum.Enum) and one.value == value), value)
    kind = origin or hint
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _made(kind, value, at)
    if isinstance(value, list):
        return _list(kind, args, value, at)
    if isinstance(value, dict) and _schema.is_object(kind):
        return _object(kind, value, at)
    if isinstance(value, dict):
        of = args[1] if len(args) == 2 else Any
        return {key: decode(of, item, f"{at}/{key}") for key, item in value.items()}
    reader = _READERS.get(kind) if isinstance(kind, type) else None
    return value if reader is None or isinstance(value, bool) else _made(reader, value, at)


def _made(make: Callable[[Any], Any], value: Any, at: str) -> Any:
    try:
        return make(value)
    except (ValueError, TypeError, ArithmeticError) as error:
        raise InvalidArguments(f"`{at or '/'}`: {error}") from None


def _list(kind: Any, args: tuple[Any, ...], value: list[Any], at: str) -> Any:
    def of(index: int) -> Any:
        if kind is tuple and args[1:2] != (Ellipsis,):
            return args[index] if index < len(args) else Any
        return args[0] if args else Any

    items = [decode(of(index), item, f"{at}/{index}") for index, item in enumerate(value)]
    makers: dict[Any, Callable[[Any], Any]] = {**dict.fromkeys(_schema.SETS, set), tuple: tuple, frozenset: frozenset}
    return _made(makers.get(kind, list), items, at)


def _object(kind: Any, value: dict[str, Any], at: str) -> Any:
    hints = {member.name: member.hint for member in _schema.members(kind)}
    members = {name: decode(hints.get(name, Any), item, f"{at}/{name}") for name, item in value.items()}
    if typing.is_typeddict(kind):
        return members
    return _made(lambda members: kind(**members), members, at)


def _choice(choices: list[Any], value: Any, at: str) -> Any:
    if len(choices) == 1:
        return decode(choices[0], value, at)
    objects = [c for c in choices if _schema.is_object(_schema.unwrapped(c)[0])]
    if isinstance(value, dict) and len(objects) > 1:
        name = _schema.tag(objects)
        if name is not None:
            objects = [c for c in objects if value.get(name) in _schema.tag_values(c, name)]
    if isinstance(value, dict) and objects:
        return decode(objects[0], value, at)
    for choice in choices:
        if choice not in objects and problem(_schema.schema(choice, at), value) is None:
            return decode(choice, value, at)
    return value
