"""The same with the MCP SDK 2, which asks by `input_required` since MCP 2026-07-28."""

from typing import Annotated

from mcp.server.mcpserver import Elicit, ElicitationResult, MCPServer, Resolve
from pydantic import BaseModel, Field

server = MCPServer("booking")


class Seats(BaseModel):
    """What the person gives."""

    seats: int = Field(ge=1, le=8, description="How many people come")
    window: bool = False
    note: str | None = None


async def ask(date: str) -> Elicit[Seats]:
    """What is asked before the tool runs."""
    return Elicit(message=f"How many seats on {date}?", schema=Seats)


@server.tool()
async def book(date: str, answer: Annotated[ElicitationResult[Seats], Resolve(ask)]) -> str:
    """Books seats."""
    if answer.action != "accept":
        return f"not booked: {answer.action}"
    return f"booked {answer.data.seats} seats, window {answer.data.window}, note {answer.data.note}"


server.run()
