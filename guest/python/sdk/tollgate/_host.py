"""The host, as the interfaces reach it: the gate in a component, a double in a test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from .errors import Denied


@dataclass(frozen=True)
class Denial:
    """Why policy refused something: the decision's id, its reason, and the approval that was requested."""

    decision: str
    reason: str
    approval: str | None = None


class Refusal(Exception):
    """Why the host did not do something: a case of the WIT's error, and its text or denial."""

    def __init__(self, kind: str, detail: str | Denial | None = None) -> None:
        super().__init__(kind)
        self.kind = kind
        self.detail = detail

    def denied(self, doing: str) -> Denied | None:
        """The error for the tool, if policy refused it. `doing` says what, as in "read `x`"."""
        if not isinstance(self.detail, Denial):
            return None
        denial = self.detail
        text = f"cannot {doing}: {denial.reason} (decision {denial.decision})"
        return Denied(text, reason=denial.reason, decision=denial.decision, approval=denial.approval)

    def text(self, words: dict[str, str]) -> str:
        """The reason in words: those of the case, or the host's own."""
        return words.get(self.kind) or (self.detail if isinstance(self.detail, str) else self.kind)


class Host(Protocol):
    """Does what an interface of `wit/` offers."""

    def invoke(self, interface: str, operation: str, *arguments: Any) -> Any:
        """Calls a function of an interface. Raises a Refusal if the host refuses it."""


def text(value: object, what: str) -> str:
    """A text that the host can read."""
    if not isinstance(value, str):
        raise TypeError(f"{what} is a str, not {type(value).__name__}")
    # Half a character (a lone surrogate) raises an error here; the host would end the call.
    value.encode()
    return value


def data(value: object, what: str) -> bytes:
    """Bytes, or a text in UTF-8."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    return text(value, what).encode()


_connected: list[Host] = []


def connect(host: Host) -> None:
    """Makes a host the one that the interfaces reach."""
    _connected.append(host)


def disconnect(host: Host) -> None:
    """Undoes `connect`."""
    _connected.remove(host)


def invoke(interface: str, operation: str, *arguments: Any) -> Any:
    """Calls the host that was connected last."""
    if not _connected:
        raise RuntimeError(
            f"tollgate.{interface} needs a gate; in a test, take the fixture `gate` of tollgate.testing"
        )
    return _connected[-1].invoke(interface, operation, *arguments)
