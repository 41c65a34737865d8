"""The SDK `mcp` from 2.0 on: it speaks the newest revision, and knows the extension of tasks only if told."""

import asyncio
import contextlib
from typing import Any, Literal

from mcp import Client, StdioServerParameters
from mcp.client.extension import ClientExtension, ResultClaim
from mcp_types import CallToolResult, Request, RequestParams, Result

import result

TASKS = "io.modelcontextprotocol/tasks"


class Created(Result):
    """A task instead of a result."""

    result_type: Literal["task"]
    task_id: str
    status: str
    poll_interval_ms: int | None = None


class TaskState(Result):
    """What `tasks/get` answers."""

    task_id: str
    status: str
    poll_interval_ms: int | None = None
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


class TaskParams(RequestParams):
    task_id: str


class GetTask(Request[TaskParams, Literal["tasks/get"]]):
    name_param = "taskId"
    method: Literal["tasks/get"] = "tasks/get"
    params: TaskParams


async def finish(created, context):
    """Ask for a task until it is over."""
    while True:
        ask = GetTask(params=TaskParams(task_id=created.task_id))
        state = await context.session.send_request(ask, TaskState)
        if state.status == "completed":
            return CallToolResult.model_validate(state.result)
        if state.status != "working":
            raise RuntimeError(f"the task ended as {state.status}: {state.error}")
        await asyncio.sleep((state.poll_interval_ms or 100) / 1000)


class Tasks(ClientExtension):
    identifier = TASKS

    def claims(self):
        return [ResultClaim(result_type="task", model=Created, resolve=finish)]


class Session:
    def __init__(self, client):
        self.client = client

    async def list(self):
        return [tool.name for tool in (await self.client.list_tools()).tools]

    async def call(self, tool, arguments, options):
        progress = result.Progress() if options.get("progress") else None
        told = await self.client.call_tool(tool, arguments, progress_callback=progress)
        return result.of(told.content, told.is_error, told.meta, progress)


@contextlib.asynccontextmanager
async def connect(where):
    if "url" in where:
        server = where["url"]
    else:
        server = StdioServerParameters(
            command=where["command"], args=where["args"], cwd=where["cwd"]
        )
    extensions = [Tasks()] if where.get("tasks") else []
    async with Client(server, extensions=extensions) as client:
        yield Session(client)
