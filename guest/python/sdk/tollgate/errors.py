"""Why a call did not succeed. The texts are for the agent: say what was wrong and what to do instead."""

from __future__ import annotations


class ToolError(Exception):
    """Why a call did not succeed; the text is for the agent."""


class Failed(ToolError):
    """The tool could not do its work."""


class InvalidArguments(ToolError):
    """The arguments match the schema but are wrong for the tool; say which and why."""


class Denied(ToolError):
    """Policy refused something that the tool needed. Let it pass, so that the agent reads the reason.

    Attributes:
        reason: The determining policy's reason.
        decision: The id of the decision in the ledger.
        approval: The approval that was requested, if a person may allow the effect. The call then ends as
            pending, regardless of its result.
    """

    def __init__(
        self, text: str, *, reason: str | None = None, decision: str | None = None, approval: str | None = None
    ) -> None:
        super().__init__(text)
        self.reason = reason if reason is not None else text
        self.decision = decision
        self.approval = approval
