"""Secrets that the operator granted to this component, by name. Their values stay in the host.

The host attaches a secret to a request of `tollgate.http`, at the place that a `Credential` names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from . import _host


@dataclass(frozen=True)
class Credential:
    """A secret for a request, by name, and where the host puts it."""

    secret: str
    place: Literal["bearer", "header", "query", "json-pointer"]
    name: str = ""


def exists(name: str) -> bool:
    """Whether the operator granted this component a secret of this name. Each use is decided by itself."""
    return bool(_host.invoke("secrets", "exists", _host.text(name, "the name")))


def bearer(secret: str) -> Credential:
    """The secret as `authorization: Bearer <secret>`."""
    return Credential(secret, "bearer")


def header(name: str, secret: str) -> Credential:
    """The secret as the whole value of a header field."""
    return Credential(secret, "header", name)


def query(name: str, secret: str) -> Credential:
    """The secret as a query parameter."""
    return Credential(secret, "query", name)


def json_pointer(pointer: str, secret: str) -> Credential:
    """The secret as the string at a JSON pointer in the body, which must be JSON."""
    return Credential(secret, "json-pointer", pointer)
