"""Runs a program of the documentation, from its standard input.

    python page.py CLIENT [TOOL ARGUMENTS]

Where it says `model`, it has one that calls the tool.
"""

import ast
import asyncio
import importlib
import inspect
import json
import sys


async def main(client, tool=None, arguments="{}"):
    code = compile(sys.stdin.read(), "page", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names = {"__name__": "page"}
    if tool:
        names["model"] = importlib.import_module(client).model(tool, json.loads(arguments))
    ran = eval(code, names)
    if inspect.isawaitable(ran):
        await ran


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
