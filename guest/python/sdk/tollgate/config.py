"""Values that the operator configured for this component, under `[components.NAME.config]`.

They take the place of an environment; there are no secrets among them. Policy decides each read: let
`Denied` pass, so that the agent reads the reason.
"""

from __future__ import annotations

from typing import TypeVar, overload

from . import _host
from .errors import Failed

Value = str | int | float | bool | list[str]
T = TypeVar("T")


class ConfigError(Failed):
    """Why a value was not read.

    Attributes:
        key: Which.
        kind: `invalid-key`, `wrong-type` or `failed`.
    """

    def __init__(self, text: str, key: str, kind: str) -> None:
        super().__init__(f"cannot read the configuration `{key}`: {text}")
        self.key = key
        self.kind = kind


@overload
def get(key: str) -> Value | None: ...
@overload
def get(key: str, default: T) -> Value | T: ...
def get(key: str, default: object = None) -> object:
    """The value of a key, with the type that it has in the configuration; `default` if there is none."""
    value = _read(key)
    return default if value is None else value


@overload
def text(key: str) -> str | None: ...
@overload
def text(key: str, default: str) -> str: ...
def text(key: str, default: str | None = None) -> str | None:
    """The text of a key."""
    return _typed(key, default, "a text", str)


@overload
def integer(key: str) -> int | None: ...
@overload
def integer(key: str, default: int) -> int: ...
def integer(key: str, default: int | None = None) -> int | None:
    """The integer of a key."""
    return _typed(key, default, "an integer", int)


@overload
def number(key: str) -> float | None: ...
@overload
def number(key: str, default: float) -> float: ...
def number(key: str, default: float | None = None) -> float | None:
    """The float or integer of a key, as a float."""
    value = _typed(key, default, "a number", float, int)
    return None if value is None else float(value)


@overload
def boolean(key: str) -> bool | None: ...
@overload
def boolean(key: str, default: bool) -> bool: ...
def boolean(key: str, default: bool | None = None) -> bool | None:
    """The boolean of a key."""
    return _typed(key, default, "a boolean", bool)


@overload
def texts(key: str) -> list[str] | None: ...
@overload
def texts(key: str, default: list[str]) -> list[str]: ...
def texts(key: str, default: list[str] | None = None) -> list[str] | None:
    """The list of texts of a key."""
    return _typed(key, default, "a list of texts", list)


def _typed(key: str, default: T, name: str, *kinds: type) -> T:
    value = _read(key)
    if value is None:
        return default
    # A boolean is an int to Python, and not to the operator.
    if type(value) not in kinds:
        raise ConfigError(f"it should be {name}; the operator can correct it", key, "wrong-type")
    return value  # type: ignore[return-value]


def _read(key: str) -> Value | None:
    try:
        value: Value | None = _host.invoke("config", "get", _host.text(key, "the key"))
    except _host.Refusal as refusal:
        if denied := refusal.denied(f"read the configuration `{key}`"):
            raise denied from None
        raise ConfigError(refusal.text({}), key, refusal.kind) from None
    return value
