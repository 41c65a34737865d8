"""The component's entry: connects the tools of `tool.py` to the world `adapter`. Nothing to change here."""

import sys

# Python's fast `datetime` asks the system for the time; the one in Python asks `time`, which asks the gate.
sys.modules["_datetime"] = None  # type: ignore[assignment]

import json  # noqa: E402

import wit_world  # noqa: E402
from componentize_py_types import Err  # noqa: E402
from wit_world.exports import tools  # noqa: E402

import tollgate  # noqa: E402
from tollgate import _host, _system, _tools, _wit  # noqa: E402

gate = _wit.Gate()
_host.connect(gate)
system = _system.System(gate)
system.install()

import tool as _tool  # noqa: E402, F401  (its functions register themselves)

system.finish()

ERRORS = {
    tollgate.InvalidArguments: tools.ToolError_InvalidArguments,
    tollgate.Denied: tools.ToolError_Denied,
}


class Tools(wit_world.exports.Tools):
    def list_tools(self):
        return [
            tools.Tool(
                name=tool.name,
                title=tool.title,
                description=tool.description,
                input_schema=json.dumps(tool.input_schema),
                output_schema=None if tool.output_schema is None else json.dumps(tool.output_schema),
                annotations=tools.Annotations(**tool.annotations),
            )
            for tool in tollgate.TOOLS.values()
        ]

    def call_tool(self, name, arguments):
        made = tollgate.TOOLS.get(name)
        if made is None:
            raise Err(tools.ToolError_UnknownTool())
        gate.open = True
        try:
            return [_wit.content(part) for part in _tools.parts(made, tollgate.call(name, json.loads(arguments)))]
        except tollgate.ToolError as error:
            kind = next((made for base, made in ERRORS.items() if isinstance(error, base)), tools.ToolError_Failed)
            raise Err(kind(str(error).encode(errors="replace").decode())) from None
        except BaseException as error:
            # Also what is not an `Exception`, such as SystemExit: it would end the call without a word.
            tollgate.log.error(_system.fault(error))
            why = f"The tool `{name}` ended by a fault in its code ({type(error).__name__})."
            raise Err(tools.ToolError_Failed(f"{why} Its operator can read more in the run.")) from None
        finally:
            system.flush()


# Formats are compiled when first used: now, and not in every call.
json.loads(json.dumps({"a": [1, 2.5, None, "b"]}))
