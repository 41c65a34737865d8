"""The framework `openai-agents`, with a model that calls one tool and then stops."""

import contextlib
import json

from agents import Agent, Model, ModelResponse, RunConfig, Runner, Usage
from agents.mcp import MCPServerStdio, MCPServerStreamableHttp
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)

# This framework gives up after 5 seconds by default; a held call takes longer.
PATIENCE = 60


class Script(Model):
    """Calls the tool, then says what it read of the answer."""

    def __init__(self, tool, arguments):
        self.tool, self.arguments = tool, arguments

    async def get_response(self, system_instructions, input, *_rest, **_options):
        outputs = [] if isinstance(input, str) else [
            item for item in input if item.get("type") == "function_call_output"
        ]
        if outputs:
            item = ResponseOutputMessage(
                id="said",
                type="message",
                role="assistant",
                status="completed",
                content=[
                    ResponseOutputText(
                        type="output_text", text=read(outputs[-1]["output"]), annotations=[]
                    )
                ],
            )
        else:
            item = ResponseFunctionToolCall(
                type="function_call",
                call_id="call-1",
                name=self.tool,
                arguments=json.dumps(self.arguments),
            )
        return ModelResponse(output=[item], usage=Usage(), response_id=None)

    def stream_response(self, *_arguments, **_options):
        raise NotImplementedError("nothing here streams")


def read(output):
    """A tool's answer, as the model is given it."""
    if isinstance(output, str):
        return output
    return "\n".join(part["text"] for part in output if part["type"] == "input_text")


class Session:
    def __init__(self, server):
        self.server = server

    async def list(self):
        return [tool.name for tool in await self.server.list_tools()]

    async def call(self, tool, arguments, _options):
        agent = Agent(name="support", mcp_servers=[self.server], model=Script(tool, arguments))
        ran = await Runner.run(agent, "Go on.", run_config=RunConfig(tracing_disabled=True))
        return {"text": ran.final_output}


@contextlib.asynccontextmanager
async def connect(where):
    if "url" in where:
        server = MCPServerStreamableHttp(
            params={"url": where["url"]}, client_session_timeout_seconds=PATIENCE
        )
    else:
        server = MCPServerStdio(
            params={"command": where["command"], "args": where["args"], "cwd": where["cwd"]},
            client_session_timeout_seconds=PATIENCE,
        )
    async with server:
        yield Session(server)


def model(tool, arguments):
    """For the programs in the documentation."""
    return Script(tool, arguments)
