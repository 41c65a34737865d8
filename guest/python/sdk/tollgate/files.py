"""Files in the directories that the operator granted, by the grant's name and a path below it.

Paths have `/`, without `.`, `..` and empty segments. Policy decides each operation: let `Denied` pass, so
that the agent reads the reason.
"""

from __future__ import annotations

import builtins
import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any, Literal, overload

from . import _host
from .errors import Failed

_WORDS = {
    "read-only": "it was granted for reading only",
    "not-found": "nothing is there",
    "exists": "something is there already",
    "wrong-kind": "it is not a file where one is needed, or not a directory",
    "not-empty": "the directory is not empty",
    "too-large": "the file is, or would become, larger than the host allows",
}


@dataclass(frozen=True)
class Grant:
    """A directory that the operator granted."""

    name: str
    mode: Literal["read-only", "read-write"]


@dataclass(frozen=True)
class Entry:
    """A directory entry. The size is in bytes, 0 for a directory."""

    name: str
    kind: Literal["file", "directory"]
    size: int

    @property
    def is_file(self) -> bool:
        """Whether it is a file."""
        return self.kind == "file"


class FileError(Failed):
    """Why an operation failed. Nothing was changed unless `kind` is `failed`.

    Attributes:
        kind: `no-such-grant`, `read-only`, `invalid-path`, `not-found`, `exists`, `wrong-kind`, `not-empty`,
            `too-large` or `failed`.
    """

    def __init__(self, text: str, kind: str) -> None:
        super().__init__(text)
        self.kind = kind


class NotFound(FileError, FileNotFoundError):
    """Nothing exists at the path."""


class Exists(FileError, FileExistsError):
    """Something exists at the path already."""


def _invoke(operation: str, doing: str, grant: str, path: str, *more: bytes) -> object:
    _host.text(grant, "the grant"), _host.text(path, "the path")
    try:
        return _host.invoke("files", operation, grant, path, *more)
    except _host.Refusal as refusal:
        what = f"{doing} `{path}` in `{grant}`"
        if denied := refusal.denied(what):
            raise denied from None
        kinds: dict[str, type[FileError]] = {"not-found": NotFound, "exists": Exists}
        words = _absent() if refusal.kind == "no-such-grant" else refusal.text(_WORDS)
        raise kinds.get(refusal.kind, FileError)(f"cannot {what}: {words}", refusal.kind) from None


def _absent() -> str:
    names = [f"`{grant.name}`" for grant in grants()]
    there = f"there are {', '.join(names)}" if names else "the operator granted this tool no directory"
    return f"no such grant; {there}"


def grants() -> builtins.list[Grant]:
    """The grants of this component, by name."""
    return [Grant(name, mode) for name, mode in _host.invoke("files", "grants")]


def read(grant: str, path: str) -> bytes:
    """The whole content of a file."""
    data = _invoke("read", "read", grant, path)
    assert isinstance(data, bytes)
    return data


def read_text(grant: str, path: str) -> str:
    """The whole content of a file in UTF-8."""
    try:
        return read(grant, path).decode()
    except UnicodeDecodeError:
        raise FileError(f"cannot read `{path}` in `{grant}`: it is not text in UTF-8", "failed") from None


def write(grant: str, path: str, data: bytes | str) -> None:
    """Replaces a file's content, or creates it. A reader sees the old content or the new, never a part."""
    _invoke("write", "write", grant, path, _bytes(data))


def create(grant: str, path: str, data: bytes | str) -> None:
    """Like `write`, but raises `Exists` if something is there. Of several concurrent calls, one succeeds."""
    _invoke("create", "create", grant, path, _bytes(data))


def append(grant: str, path: str, data: bytes | str) -> None:
    """Adds to the end of a file, or creates it. Concurrent appends never interleave."""
    _invoke("append", "append to", grant, path, _bytes(data))


def list(grant: str, path: str = "") -> builtins.list[Entry]:
    """The entries of a directory, sorted by name; the empty path is the grant's own directory."""
    found = _invoke("list", "list", grant, path)
    assert isinstance(found, builtins.list)
    return [Entry(*entry) for entry in found]


def walk(grant: str, path: str = "") -> Iterator[tuple[str, Entry]]:
    """Every file below a directory, with its path in the grant. Each directory is listed when it is reached."""
    for entry in list(grant, path):
        inner = f"{path}/{entry.name}" if path else entry.name
        if entry.is_file:
            yield inner, entry
        else:
            yield from walk(grant, inner)


def stat(grant: str, path: str) -> Entry:
    """The entry at a path, without reading it."""
    found = _invoke("stat", "look at", grant, path)
    assert isinstance(found, tuple)
    return Entry(*found)


def exists(grant: str, path: str) -> bool:
    """Whether something is at a path. It is decided like `stat`."""
    try:
        stat(grant, path)
    except NotFound:
        return False
    return True


def delete(grant: str, path: str) -> None:
    """Removes a file or an empty directory."""
    _invoke("delete", "delete", grant, path)


@overload
def open(
    grant: str, path: str, mode: Literal["r", "w", "x", "a"] = "r"
) -> contextlib.AbstractContextManager[IO[str]]: ...
@overload
def open(
    grant: str, path: str, mode: Literal["rb", "wb", "xb", "ab"]
) -> contextlib.AbstractContextManager[IO[bytes]]: ...
def open(grant: str, path: str, mode: str = "r") -> contextlib.AbstractContextManager[IO[Any]]:
    """A file for `with`: `r` and `rb` read it, `w` replaces it, `x` creates it, `a` adds to it.

    It is read whole at the start, and stored whole at the end of the block. If the block raises, nothing is
    stored.
    """
    if mode.removesuffix("b") not in ("r", *_STORES):
        raise ValueError(f"the mode {mode!r} is not one of r, w, x, a, rb, wb, xb, ab")
    return _opened(grant, path, mode)


@contextlib.contextmanager
def _opened(grant: str, path: str, mode: str) -> Iterator[IO[Any]]:
    binary = mode.endswith("b")
    store = _STORES.get(mode.removesuffix("b"))
    if store is None:
        yield io.BytesIO(read(grant, path)) if binary else io.StringIO(read_text(grant, path), newline=None)
        return
    buffer: io.BytesIO | io.StringIO = io.BytesIO() if binary else io.StringIO()
    yield buffer
    store(grant, path, buffer.getvalue())


_STORES: dict[str, Callable[[str, str, bytes | str], None]] = {"w": write, "x": create, "a": append}


def _bytes(data: bytes | str) -> bytes:
    return _host.data(data, "what is written")
