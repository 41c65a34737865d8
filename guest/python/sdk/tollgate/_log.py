"""Messages for the operator."""

from __future__ import annotations

from typing import Literal

from . import _host

Level = Literal["debug", "info", "warn", "error"]


class Log:
    """Messages for the operator: `log.info("read 3 pages")`, or `log("read 3 pages")`.

    They become events of the call's trace, and never reach the agent. A message over 4 KiB is cut; after 100
    messages in one call the rest are dropped. In a component, `print` and `logging` end here, too.
    """

    def __call__(self, message: object, level: Level = "info") -> None:
        """Logs one message."""
        # A log says what it can: half a character is a question mark.
        _host.invoke("log", "log", level, str(message).encode(errors="replace").decode())

    def debug(self, message: object) -> None:
        """What helps to find a fault."""
        self(message, "debug")

    def info(self, message: object) -> None:
        """What happened."""
        self(message, "info")

    def warn(self, message: object) -> None:
        """What may be wrong."""
        self(message, "warn")

    warning = warn

    def error(self, message: object) -> None:
        """What is wrong."""
        self(message, "error")


log = Log()
