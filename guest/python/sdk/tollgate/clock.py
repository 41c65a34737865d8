"""The gate's own clock, which policies see, in whole milliseconds: `clock.now()`.

In a component, `datetime.now()` and `time.time()` read this clock, too. In a test they do not.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from . import _host

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def now() -> datetime:
    """The time now, in UTC."""
    return _EPOCH + timedelta(milliseconds=unix_millis())


def unix_millis() -> int:
    """Milliseconds since 1970-01-01 00:00 UTC."""
    return int(_host.invoke("clock", "now"))


def elapsed() -> timedelta:
    """The time since this call began. Never goes back."""
    return timedelta(milliseconds=int(_host.invoke("clock", "elapsed")))
