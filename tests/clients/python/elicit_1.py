"""A server that asks a person in the middle of a call, with the MCP SDK 1."""

from mcp.server.fastmcp import Context, FastMCP
from pydantic import BaseModel, Field

server = FastMCP("booking")


class Seats(BaseModel):
    """What the person gives."""

    seats: int = Field(ge=1, le=8, description="How many people come")
    window: bool = False
    note: str | None = None


@server.tool()
async def book(date: str, ctx: Context) -> str:
    """Books seats."""
    answer = await ctx.elicit(message=f"How many seats on {date}?", schema=Seats)
    if answer.action != "accept":
        return f"not booked: {answer.action}"
    return f"booked {answer.data.seats} seats, window {answer.data.window}, note {answer.data.note}"


server.run()
