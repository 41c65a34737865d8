"""The component's entry: connects the tools of `tool.py` to the world `adapter`. Nothing to change here."""

import json

import tool as _tools  # noqa: F401  (its functions register themselves)
import tollgate
import wit_world
from componentize_py_types import Err
from wit_world.exports import tools
from wit_world.imports import config, files, log  # noqa: F401  (loaded before the first call, not in it)
from wit_world.imports.types import Content_Structured, Content_Text

ERRORS = {
    tollgate.InvalidArguments: tools.ToolError_InvalidArguments,
    tollgate.Denied: tools.ToolError_Denied,
}


class Tools(wit_world.exports.Tools):
    def list_tools(self):
        return [
            tools.Tool(
                name=tool.name,
                title=None,
                description=tool.description,
                input_schema=json.dumps(tool.input_schema),
                output_schema=None,
                annotations=tools.Annotations(**tool.annotations),
            )
            for tool in tollgate.TOOLS.values()
        ]

    def call_tool(self, name, arguments):
        if name not in tollgate.TOOLS:
            raise Err(tools.ToolError_UnknownTool())
        try:
            text, structured = tollgate.text_of(tollgate.call(name, json.loads(arguments)))
        except tollgate.ToolError as error:
            raise Err(ERRORS.get(type(error), tools.ToolError_Failed)(str(error))) from None
        parts = [] if text is None else [Content_Text(text)]
        return parts + ([] if structured is None else [Content_Structured(structured)])


# Formats are compiled when first used: now, and not in every call.
json.loads(json.dumps({"a": [1, 2.5, None, "b"]}))
