"""The SDK `mcp` before 2.0: it knows the revisions with a handshake."""

import asyncio
import contextlib

from mcp import ClientSession, StdioServerParameters, types
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

import result


class Session:
    def __init__(self, session):
        self.session = session

    async def list(self):
        return [tool.name for tool in (await self.session.list_tools()).tools]

    async def call(self, tool, arguments, options):
        progress = result.Progress() if options.get("progress") else None
        # With this SDK the program itself must send the cancellation to the server.
        request = self.session._request_id
        try:
            told = await self.session.call_tool(tool, arguments, progress_callback=progress)
        except asyncio.CancelledError:
            cancelled = types.CancelledNotification(
                params=types.CancelledNotificationParams(requestId=request)
            )
            await self.session.send_notification(types.ClientNotification(cancelled))
            raise
        return result.of(told.content, told.isError, told.meta, progress)


@contextlib.asynccontextmanager
async def connect(where):
    if "url" in where:
        transport = streamable_http_client(where["url"])
    else:
        transport = stdio_client(
            StdioServerParameters(
                command=where["command"], args=where["args"], cwd=where["cwd"]
            )
        )
    async with transport as streams, ClientSession(streams[0], streams[1]) as session:
        await session.initialize()
        yield Session(session)
