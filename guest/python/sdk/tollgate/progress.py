"""How far the call has come: `progress.report(3, total=10, message="third page of ten")`.

Reports go to the operator, and to the caller as far as policy releases them. They are content like a result.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from . import _host

T = TypeVar("T")


def report(progress: int, *, total: int | None = None, message: str = "") -> None:
    """Reports `progress` out of `total`, in any unit.

    A report that does not exceed the previous one is dropped, and so are all after the first 100 of a call.
    """
    if progress < 0 or (total is not None and total < 0):
        raise ValueError("progress is not negative")
    most = None if total is None else int(total)
    _host.invoke("progress", "report", int(progress), most, _host.text(message, "the message"))


def track(items: Iterable[T], *, total: int | None = None, message: str = "") -> Iterator[T]:
    """The items, with a report after each."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    for done, item in enumerate(items, 1):
        yield item
        report(done, total=total, message=message)
