"""What goes wrong in a tool, and what a component has in place of a system."""

import datetime
import enum
import logging
import os
import random
import sys
import time
import uuid
import warnings
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal, TypedDict

from tollgate import tool


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


class Odd(TypedDict):
    when: datetime.date
    price: Decimal
    names: set[str]
    level: Level
    pair: tuple[int, str]
    data: bytes


def _recurse(depth: int) -> int:
    return _recurse(depth + 1)


def _missing() -> Any:
    import requests  # type: ignore[import-untyped,import-not-found,unused-ignore]

    return requests.get("http://a.test")


FAULTS: dict[str, Callable[[], Any]] = {
    "error": lambda: int("a bug of mine"),
    "exit": lambda: sys.exit(3),
    "interrupt": lambda: (_ for _ in ()).throw(KeyboardInterrupt()),
    "recursion": lambda: _recurse(0),
    "nan": lambda: {"a": [1.0, float("nan")]},
    "object": lambda: {"a": object()},
    "module": _missing,
    "file": lambda: open("/etc/passwd"),
    "sleep": lambda: time.sleep(1),
}
Fault = Literal["error", "exit", "interrupt", "recursion", "nan", "object", "module", "file", "sleep"]


@tool
def fail(how: Fault) -> Any:
    """Fails in a way."""
    return FAULTS[how]()


@tool
def promise(count: Literal[1, 2, 3] = 1) -> list[int]:
    """Returns what it does not promise."""
    return [1, "two", 3][:count]  # type: ignore[return-value,list-item,unused-ignore]


@tool
def odd(level: Level = Level.LOW, at: datetime.datetime | None = None, mixed: Literal["a", 1, None] = 1) -> Odd:
    """Returns values that JSON does not have."""
    when = at.date() if at else datetime.date(2026, 1, 2)
    return Odd(when=when, price=Decimal("1.50"), names={"b", "a"}, level=level, pair=(1, "x"), data=b"\x00\xff")


@tool
def ambient() -> dict[str, Any]:
    """Says something in every way, and looks at the clock and at random numbers."""
    print("printed")
    print("to stderr", file=sys.stderr)
    logging.getLogger("odd").error("logged %d", 1)
    warnings.warn("warned", stacklevel=1)
    return {
        "now": datetime.datetime.now(datetime.timezone.utc),
        "time": round(time.time()),
        "random": random.random(),
        "uuid": uuid.uuid4(),
        "bytes": os.urandom(8),
    }
