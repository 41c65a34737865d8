"""Coroutines without a system to wait for: `async def` tools, `asyncio.gather`, tasks and queues.

A request to the host returns when it is done, so nothing runs at the same time, and there is nothing to wait
for. A tool that waits anyway, as `asyncio.sleep` does, gets an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _NoEvents:
    """A selector to which nothing happens."""

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None or timeout > 0:
            raise RuntimeError(
                "an async tool waits for something that cannot happen: a component has no timers, threads or sockets. "
                "Requests of tollgate.http return when they are done"
            )
        return []

    def close(self) -> None:
        pass


class Loop(asyncio.BaseEventLoop):
    """An event loop that never waits."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _NoEvents()

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine."""
    loop = Loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()
