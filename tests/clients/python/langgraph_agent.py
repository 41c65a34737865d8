"""The framework `langgraph` with `langchain-mcp-adapters`, and a model that calls one tool and then stops."""

import contextlib

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_mcp_adapters.client import MultiServerMCPClient
from langgraph.prebuilt import create_react_agent


class Script(BaseChatModel):
    """Calls the tool, then says what it read of the answer."""

    tool: str
    arguments: dict

    @property
    def _llm_type(self):
        return "script"

    def bind_tools(self, tools, **_options):
        return self

    def _generate(self, messages, stop=None, run_manager=None, **_options):
        last = messages[-1]
        if isinstance(last, ToolMessage):
            said = AIMessage(last.text if isinstance(last.text, str) else last.text())
        else:
            call = {"name": self.tool, "args": self.arguments, "id": "call-1"}
            said = AIMessage("", tool_calls=[call])
        return ChatResult(generations=[ChatGeneration(message=said)])


class Session:
    def __init__(self, client):
        self.client = client

    async def list(self):
        return [tool.name for tool in await self.client.get_tools()]

    async def call(self, tool, arguments, _options):
        agent = create_react_agent(
            Script(tool=tool, arguments=arguments), await self.client.get_tools()
        )
        ran = await agent.ainvoke({"messages": "Go on."})
        return {"text": ran["messages"][-1].text}


@contextlib.asynccontextmanager
async def connect(where):
    if "url" in where:
        gate = {"transport": "streamable_http", "url": where["url"]}
    else:
        gate = {
            "transport": "stdio",
            "command": where["command"],
            "args": where["args"],
            "cwd": where["cwd"],
        }
    yield Session(MultiServerMCPClient({"gate": gate}))


def model(tool, arguments):
    """For the programs in the documentation."""
    return Script(tool=tool, arguments=arguments)
