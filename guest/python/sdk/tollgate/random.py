"""Random bytes from the operating system, suitable for keys and tokens: `random.token_hex(16)`.

In a component, `secrets`, `uuid.uuid4()`, `os.urandom()` and `random` use them, too. In a test they do not.
"""

from __future__ import annotations

import builtins
import uuid
from base64 import urlsafe_b64encode

from . import _host
from .errors import Failed

MAX_BYTES = 64 << 10
"""The most bytes at once."""
_WORDS = {
    "too-many": "more than 64 KiB of randomness at once",
    "unavailable": "the host has no randomness to give",
}


class RandomError(Failed):
    """Why there are no random bytes.

    Attributes:
        kind: `too-many` or `unavailable`.
    """

    def __init__(self, text: str, kind: str) -> None:
        super().__init__(text)
        self.kind = kind


def bytes(count: int) -> builtins.bytes:
    """As many random bytes as asked for, at most 64 KiB."""
    if not 0 <= count <= MAX_BYTES:
        raise RandomError(_WORDS["too-many"], "too-many")
    try:
        data = _host.invoke("random", "bytes", int(count))
    except _host.Refusal as refusal:
        raise RandomError(refusal.text(_WORDS), refusal.kind) from None
    assert isinstance(data, builtins.bytes)
    return data


def token_hex(count: int = 32) -> str:
    """Random bytes in hexadecimal digits, two for each."""
    return bytes(count).hex()


def token_urlsafe(count: int = 32) -> str:
    """Random bytes in base64 for URLs."""
    return urlsafe_b64encode(bytes(count)).rstrip(b"=").decode()


def uuid4() -> uuid.UUID:
    """A random UUID."""
    return uuid.UUID(bytes=bytes(16), version=4)
