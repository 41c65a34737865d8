"""Small values that outlive a call: `state.run` for the run, `state.adapter` for the adapter itself.

```
last = state.adapter.get_text("cursor")
```

Policy decides each operation: let `Denied` pass, so that the agent reads the reason.
"""

from __future__ import annotations

import json as _json
from collections.abc import Callable
from typing import Any, Literal

from . import _host
from .errors import Failed

MAX_VALUE = 64 << 10
"""The most bytes of a value."""
_TRIES = 10
_WORDS = {
    "too-large": "the value has more than 64 KiB",
    "full": "there is no room for it; delete what is not needed",
}


class StateError(Failed):
    """Why an operation failed. Nothing was changed unless `kind` is `failed`.

    Attributes:
        kind: `invalid-key`, `too-large`, `full`, `busy` or `failed`.
    """

    def __init__(self, text: str, kind: str) -> None:
        super().__init__(text)
        self.kind = kind


class Store:
    """Values by key. A key has 1 to 256 bytes, without control characters."""

    def __init__(self, scope: Literal["run", "adapter"]) -> None:
        self._scope = scope

    def get(self, key: str) -> bytes | None:
        """The value of a key, if there is one."""
        value = self._invoke("get", "get", key)
        assert value is None or isinstance(value, bytes)
        return value

    def get_text(self, key: str, default: str | None = None) -> str | None:
        """The value of a key as text."""
        value = self.get(key)
        return default if value is None else value.decode()

    def get_json(self, key: str, default: Any = None) -> Any:
        """The value of a key as JSON."""
        value = self.get(key)
        return default if value is None else _json.loads(value)

    def set(self, key: str, value: bytes | str) -> None:
        """Sets the value of a key."""
        self._invoke("set", "set", key, _bytes(value))

    def set_json(self, key: str, value: Any) -> None:
        """Sets the value of a key, written as JSON."""
        self.set(key, _json.dumps(value, ensure_ascii=False, allow_nan=False))

    def delete(self, key: str) -> bool:
        """Removes a key. Returns whether it existed."""
        return bool(self._invoke("delete", "delete", key))

    def keys(self, prefix: str = "") -> list[str]:
        """The keys that begin with `prefix`, sorted by their bytes."""
        found = self._invoke("list-keys", "list", prefix)
        assert isinstance(found, list)
        return found

    def compare_and_set(self, key: str, expected: bytes | str | None, value: bytes | str) -> bool:
        """Sets the value of a key if it is still `expected`; `None` means that the key must not exist.

        Returns:
            Whether it was set. Of several concurrent calls, one succeeds.
        """
        before = None if expected is None else _bytes(expected)
        return bool(self._invoke("compare-and-set", "set", key, before, _bytes(value)))

    def update(self, key: str, change: Callable[[bytes | None], bytes | str]) -> bytes:
        """Sets the value of a key to what `change` makes of the present one, with no other call in between.

        Raises:
            StateError: With kind `busy`, if other calls were faster ten times.
        """
        for _ in range(_TRIES):
            before = self.get(key)
            value = _bytes(change(before))
            if self.compare_and_set(key, before, value):
                return value
        raise StateError(f"cannot set `{key}`: other calls were faster; try again", "busy")

    def _invoke(self, operation: str, doing: str, key: str, *more: bytes | None) -> object:
        _host.text(key, "the key")
        try:
            return _host.invoke("state", operation, self._scope, key, *more)
        except _host.Refusal as refusal:
            what = f"{doing} `{key}`"
            if denied := refusal.denied(what):
                raise denied from None
            raise StateError(f"cannot {what}: {refusal.text(_WORDS)}", refusal.kind) from None


run = Store("run")
"""Values that the calls of this component share within the run. They are deleted when it ends."""
adapter = Store("adapter")
"""Values that all calls of this component share."""


def _bytes(value: bytes | str) -> bytes:
    return _host.data(value, "the value")
