"""Drives one MCP client as its standard input says, so that every client plays the same scenes.

    python driver.py CLIENT

Each line in is a JSON object with `id` and `do`; each line out answers one of them, in any order:

    open   url, or command, args and cwd;   connect; an open connection is closed first; with `tasks`
           tasks?                           calls may become tasks
    list                                    {tools: [name]}
    call   tool, args, progress?            {text, error?, decision?}; for an agent: what its model reads
    cancel of                               cancel a running call; that call answers {cancelled}
    close

What goes wrong is answered as {failed}. The client is a module in this folder.
"""

import asyncio
import importlib
import json
import sys


class Connection:
    """A client that is connected, entered and left by one task, as these libraries demand."""

    def __init__(self, connect, where):
        self.session = asyncio.get_running_loop().create_future()
        self.closing = asyncio.Event()
        self.task = asyncio.create_task(self.hold(connect, where))

    async def hold(self, connect, where):
        try:
            async with connect(where) as session:
                self.session.set_result(session)
                await self.closing.wait()
        except Exception as error:
            # An error on closing a connection that worked is not reported.
            if not self.session.done():
                self.session.set_exception(error)

    async def close(self):
        self.closing.set()
        await self.task


class Driver:
    def __init__(self, client):
        self.client = client
        self.connection = None
        self.calls = {}
        self.cancelled = set()

    async def serve(self):
        lines = asyncio.StreamReader(limit=1 << 24)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while line := await lines.readline():
            request = json.loads(line)
            self.calls[request["id"]] = asyncio.create_task(self.answer(request))
        await self.close({})

    async def answer(self, request):
        try:
            reply = await getattr(self, request["do"])(request)
        except BaseException as error:
            # Some clients fail with an error of their own when their task is cancelled.
            cancelled = request["id"] in self.cancelled or isinstance(error, asyncio.CancelledError)
            reply = {"cancelled": True} if cancelled else {"failed": reason(error)}
        print(json.dumps({"id": request["id"], **(reply or {})}), flush=True)

    async def open(self, request):
        await self.close(request)
        self.connection = Connection(self.client.connect, request)
        await self.connection.session

    async def close(self, _request):
        if self.connection:
            connection, self.connection = self.connection, None
            await connection.close()

    async def list(self, _request):
        return {"tools": await (await self.connection.session).list()}

    async def call(self, request):
        session = await self.connection.session
        return await session.call(request["tool"], request.get("args", {}), request)

    async def cancel(self, request):
        task = self.calls[request["of"]]
        self.cancelled.add(request["of"])
        task.cancel()
        await asyncio.wait([task])


def reason(error):
    """What went wrong, inside the groups that tasks wrap around it."""
    while inner := getattr(error, "exceptions", None):
        error = inner[0]
    return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    asyncio.run(Driver(importlib.import_module(sys.argv[1])).serve())
