"""Python values as JSON values."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import enum
import math
import uuid
from collections.abc import Mapping, Sequence, Set
from pathlib import PurePath
from typing import Any

# Beyond this, JSON readers differ.
MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 100


class ValueFault(TypeError):
    """A value that has no JSON form, and where it is."""


def encode(value: Any, at: str = "", depth: int = 0) -> Any:
    """A value as JSON has it. `at` is where it is, as a JSON pointer.

    Raises:
        ValueFault: If there is no such form.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, enum.Enum):
        return encode(value.value, at, depth)
    if isinstance(value, str):
        return _text(value, at)
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise ValueFault(f"{_at(at)} is an integer beyond ±(2^53−1), which JSON readers differ on; make it a text")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueFault(f"{_at(at)} is {value}, which JSON does not have; make it None or a text")
        return float(value)
    if depth > MAX_DEPTH:
        raise ValueFault(f"{_at(at)} is more than {MAX_DEPTH} deep")
    return _compound(value, at, depth + 1)


def _text(value: str, at: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueFault(f"{_at(at)} is a text with half a character (a lone surrogate)") from None
    return str(value)


def _compound(value: Any, at: str, depth: int) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: encode(getattr(value, name), f"{at}/{name}", depth) for name in names}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: encode(getattr(value, name), f"{at}/{name}", depth) for name in value._fields}
    if isinstance(value, Mapping):
        return {_key(key, at): encode(item, f"{at}/{key}", depth) for key, item in value.items()}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    if isinstance(value, Set):
        # In an order that is the same each time.
        return sorted((encode(item, f"{at}/-", depth) for item in value), key=repr)
    if isinstance(value, Sequence):
        return [encode(item, f"{at}/{index}", depth) for index, item in enumerate(value)]
    if isinstance(value, (datetime.date, datetime.time)):
        return _time(value)
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, (decimal.Decimal, uuid.UUID, PurePath)):
        return format(value, "f") if isinstance(value, decimal.Decimal) else str(value)
    raise ValueFault(f"{_at(at)} is {_article(type(value).__name__)}, which has no JSON form; return a dataclass, dict or list of it")


def _time(value: datetime.date | datetime.time) -> str:
    # A component's local time is UTC.
    if isinstance(value, (datetime.datetime, datetime.time)) and value.tzinfo is None:
        value = value.replace(tzinfo=datetime.timezone.utc)
    return value.isoformat().replace("+00:00", "Z")


def _key(key: object, at: str) -> str:
    key = key.value if isinstance(key, enum.Enum) else key
    if not isinstance(key, str):
        raise ValueFault(f"{_at(at)} has the key {key!r}; keys of objects are texts")
    return _text(key, at)


def _at(at: str) -> str:
    return f"`{at}`" if at else "it"


def _article(name: str) -> str:
    return f"an `{name}`" if name[:1].lower() in "aeiou" else f"a `{name}`"
