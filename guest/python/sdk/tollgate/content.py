"""Results of tools."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Text:
    """Plain text for the model to read."""

    text: str


@dataclass(frozen=True)
class Image:
    """A picture: the file's bytes, and a media type such as `image/png`."""

    media_type: str
    data: bytes


@dataclass(frozen=True)
class Resource:
    """A resource embedded in the result, with its own URI: text or bytes."""

    uri: str
    body: str | bytes
    media_type: str | None = None


@dataclass(frozen=True)
class Structured:
    """Structured data: a JSON value."""

    value: Any


Content = Text | Image | Resource | Structured
"""One part of a result."""


@dataclass(frozen=True)
class Answer(Generic[T]):
    """A structured result with a text of your own instead of its JSON: `Answer(value, "three found")`."""

    value: T
    text: str


class Result(Sequence[Content]):
    """The parts of a result."""

    def __init__(self, parts: Sequence[Content]) -> None:
        self.parts = list(parts)

    def __getitem__(self, index: Any) -> Any:
        return self.parts[index]

    def __len__(self) -> int:
        return len(self.parts)

    def __iter__(self) -> Iterator[Content]:
        return iter(self.parts)

    def __repr__(self) -> str:
        return f"Result({self.parts!r})"

    @property
    def text(self) -> str:
        """The texts, one per line."""
        return "\n".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def structured(self) -> Any:
        """The structured data, or `None`."""
        return next((part.value for part in self.parts if isinstance(part, Structured)), None)
