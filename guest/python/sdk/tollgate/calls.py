"""Calls of other components' tools, by the names that agents see: `calls.call("tickets__read", id="T-1").text`.

Each passes through the whole pipeline of a call, in the same run, and is decided for the agent and for this
component: let `Denied` pass, so that the agent reads the reason. The result is as untrusted as any tool's.
"""

from __future__ import annotations

import json as _json
from collections.abc import Mapping
from typing import Any

from . import _host
from .content import Result
from .errors import Failed


class CallError(Failed):
    """Why a call has no result.

    Attributes:
        tool: The tool.
        kind: `invalid` if the call was not made, `failed` if the tool failed, `ended` if it was stopped or its
            outcome is not known.
    """

    def __init__(self, text: str, tool: str, kind: str) -> None:
        super().__init__(text)
        self.tool = tool
        self.kind = kind


def call(tool: str, arguments: Mapping[str, Any] | None = None, /, **more: Any) -> Result:
    """Calls a tool. Its arguments are a mapping, keywords, or both."""
    text = _json.dumps({**(arguments or {}), **more}, ensure_ascii=False, allow_nan=False)
    try:
        return Result(_host.invoke("calls", "call", _host.text(tool, "the tool"), text))
    except _host.Refusal as refusal:
        if denied := refusal.denied(f"call `{tool}`"):
            raise denied from None
        raise CallError(f"cannot call `{tool}`: {refusal.text({})}", tool, refusal.kind) from None
