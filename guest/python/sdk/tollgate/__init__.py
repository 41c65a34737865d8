"""Tools for AI agents behind a Tollgate, in Python.

A function marked `@tool` is a tool: its docstring is what the model reads, its type hints become the JSON
Schema that arguments are checked against and that policies are typed by. What a tool wants of the world it
requests from its host: `files`, `http`, `secrets`, `state`, `calls`, `config`, `progress`, `clock`, `random`
and `log`. Each request is decided. `tollgate.testing` has a double of the host.
"""

from . import calls, clock, config, files, http, progress, random, secrets, state
from ._log import log
from ._tools import TOOLS, Tool, call, tool
from .calls import CallError
from .config import ConfigError
from .content import Answer, Content, Image, Resource, Result, Structured, Text
from .errors import Denied, Failed, InvalidArguments, ToolError
from .files import FileError
from .http import HttpError, StatusError
from .random import RandomError
from .state import StateError

__all__ = [
    "TOOLS",
    "Answer",
    "CallError",
    "ConfigError",
    "Content",
    "Denied",
    "Failed",
    "FileError",
    "HttpError",
    "Image",
    "InvalidArguments",
    "RandomError",
    "Resource",
    "Result",
    "StateError",
    "StatusError",
    "Structured",
    "Text",
    "Tool",
    "ToolError",
    "call",
    "calls",
    "clock",
    "config",
    "files",
    "http",
    "log",
    "progress",
    "random",
    "secrets",
    "state",
    "tool",
]
