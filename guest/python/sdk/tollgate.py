"""Tools for AI agents behind a Tollgate, in Python.

A function marked `@tool` is a tool: its docstring is what the model reads, its type hints become the JSON
Schema that arguments are checked against and that policies are typed by. Everything that a tool wants of
the world it asks for (`files`, `config`, `log`), and each thing it asks for is decided.
"""

import dataclasses
import inspect
import json
import types
import typing
from typing import Annotated, Any, Literal, Union


class ToolError(Exception):
    """Why a call did not succeed; the text is for the agent."""


class Failed(ToolError):
    """The tool could not do its work."""


class InvalidArguments(ToolError):
    """The arguments match the schema but make no sense; say which and why."""


class Denied(ToolError):
    """Policy refused something that the tool needed."""


@dataclasses.dataclass(frozen=True)
class Tool:
    """A tool as it is listed and called."""

    name: str
    description: str
    function: typing.Callable
    input_schema: dict
    annotations: dict


TOOLS: dict[str, Tool] = {}


def tool(function=None, *, read_only=False, destructive=False, idempotent=False, open_world=False):
    """Make a function a tool. The keywords are hints for people and agents, never grounds for a decision."""
    hints = {
        "read_only": read_only,
        "destructive": destructive,
        "idempotent": idempotent,
        "open_world": open_world,
    }

    def register(function):
        name = function.__name__
        if name in TOOLS:
            raise ValueError(f"two tools are called {name!r}")
        if not inspect.getdoc(function):
            raise ValueError(f"the tool {name!r} needs a docstring: it is what the model reads")
        TOOLS[name] = Tool(name, inspect.getdoc(function), function, parameters(function), hints)
        return function

    return register if function is None else register(function)


def call(name: str, arguments: dict) -> Any:
    """Call a tool by its name, as a test does."""
    function = TOOLS[name].function
    hints = typing.get_type_hints(function, include_extras=True)
    return function(**{key: build(hints.get(key, Any), value) for key, value in arguments.items()})


def parameters(function) -> dict:
    """The JSON Schema of a function's parameters."""
    hints = typing.get_type_hints(function, include_extras=True)
    properties, required = {}, []
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in hints:
            raise TypeError(f"{function.__name__}: the parameter {name!r} needs a type")
        properties[name] = schema(hints[name])
        if parameter.default is inspect.Parameter.empty:
            required.append(name)
        elif parameter.default is not None:
            properties[name]["default"] = plain(parameter.default)
    return closed(properties, required)


def schema(hint) -> dict:
    """The JSON Schema of a type."""
    simple = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return {}
    if isinstance(hint, type) and hint in simple:
        return {"type": simple[hint]}
    if origin is Annotated:
        # Text describes it, a dict is JSON Schema as it is.
        whole = schema(args[0])
        for note in args[1:]:
            whole.update(note if isinstance(note, dict) else {"description": str(note)})
        return whole
    if origin is Literal:
        return {"type": "string", "enum": list(args)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [schema(choice) for choice in args]}
    if origin is list:
        return {"type": "array", "items": schema(args[0])}
    if hint is dict or origin is dict:
        return {"type": "object"}
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint, include_extras=True)
        fields = dataclasses.fields(hint)
        needed = [f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING]
        return closed({f.name: schema(hints[f.name]) for f in fields}, needed)
    raise TypeError(f"{hint!r} has no JSON Schema here; use str, int, float, bool, list, dict, Literal or a dataclass")


def closed(properties: dict, required: list) -> dict:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def build(hint, value):
    """A JSON value as its type: dataclasses are made, the rest is as it came."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return build(args[0], value)
    if origin is list and isinstance(value, list):
        return [build(args[0], item) for item in value]
    if origin in (Union, types.UnionType):
        return next((build(c, value) for c in args if dataclasses.is_dataclass(c) and isinstance(value, dict)), value)
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        hints = typing.get_type_hints(hint, include_extras=True)
        return hint(**{key: build(hints[key], item) for key, item in value.items()})
    return value


def plain(value):
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value


class Files:
    """Files in the directories that the operator granted, by the grant's name and a path below it."""

    def _host(self, operation, *args):
        from componentize_py_types import Err
        from wit_world.imports import files as host

        try:
            return getattr(host, operation)(*args)
        except Err as error:
            raise self._why(error.value, *args[:2]) from None

    @staticmethod
    def _why(error, grant, path=""):
        kind = type(error).__name__.removeprefix("Error_")
        value = getattr(error, "value", None)
        if kind == "Denied":
            return Denied(f"{value.reason} (decision {value.decision})")
        words = {
            "NoSuchGrant": f"the operator granted no directory {grant!r}",
            "NotFound": f"there is no {path!r} in {grant!r}",
            "ReadOnly": f"{grant!r} is read-only",
            "WrongKind": f"{path!r} in {grant!r} is not what was expected there",
            "TooLarge": f"{path!r} in {grant!r} is too large",
        }
        return Failed(words.get(kind, f"{path!r} in {grant!r}: {value or kind}"))

    def grants(self) -> list[str]:
        """The names of what was granted."""
        from wit_world.imports import files as host

        return [grant.name for grant in host.grants()]

    def read(self, grant: str, path: str) -> bytes:
        """The whole content of a file."""
        return self._host("read", grant, path)

    def read_text(self, grant: str, path: str) -> str:
        """The whole content of a file in UTF-8."""
        try:
            return self.read(grant, path).decode()
        except UnicodeDecodeError:
            raise Failed(f"{path!r} in {grant!r} is not UTF-8 text") from None

    def list(self, grant: str, path: str = "") -> list:
        """What is in a directory: each entry with `name` and `size`."""
        return self._host("list", grant, path)

    def write(self, grant: str, path: str, data: bytes | str) -> None:
        """Replace a file's content, or create it."""
        self._host("write", grant, path, data.encode() if isinstance(data, str) else data)

    def append(self, grant: str, path: str, data: bytes | str) -> None:
        """Add to the end of a file, or create it."""
        self._host("append", grant, path, data.encode() if isinstance(data, str) else data)

    def delete(self, grant: str, path: str) -> None:
        """Remove a file or an empty directory."""
        self._host("delete", grant, path)


files = Files()


ConfigValue = str | int | float | bool | list[str]


class Config:
    """Values that the operator configured for this component, under `[components.NAME.config]`."""

    def get(self, key: str, default: ConfigValue | None = None) -> ConfigValue | None:
        """The value of a key, with the type that it has in the configuration; `default` if there is none."""
        value = self._read(key)
        return default if value is None else value

    def text(self, key: str, default: str | None = None) -> str | None:
        """The text of a key."""
        return self._typed(key, default, "a text", str)

    def integer(self, key: str, default: int | None = None) -> int | None:
        """The integer of a key."""
        return self._typed(key, default, "an integer", int)

    def number(self, key: str, default: float | None = None) -> float | None:
        """The float or integer of a key, as a float."""
        value = self._typed(key, default, "a number", float, int)
        return None if value is None else float(value)

    def boolean(self, key: str, default: bool | None = None) -> bool | None:
        """The boolean of a key."""
        return self._typed(key, default, "a boolean", bool)

    def texts(self, key: str, default: list[str] | None = None) -> list[str] | None:
        """The list of texts of a key."""
        return self._typed(key, default, "a list of texts", list)

    def _typed(self, key, default, name, *kinds):
        value = self._read(key)
        if value is None:
            return default
        # A boolean is an int to Python, and not to the operator.
        if type(value) not in kinds:
            raise Failed(f"the configuration {key!r} should be {name}; the operator can correct it")
        return value

    def _read(self, key: str) -> ConfigValue | None:
        from componentize_py_types import Err
        from wit_world.imports import config as host

        try:
            value = host.get(key)
        except Err as error:
            raise self._why(error.value, key) from None
        return None if value is None else value.value

    @staticmethod
    def _why(error, key):
        kind = type(error).__name__.removeprefix("Error_")
        if kind == "Denied":
            return Denied(f"{error.value.reason} (decision {error.value.decision})")
        return Failed(f"cannot read the configuration {key!r}: {error.value}")


config = Config()


def log(message: str, level: Literal["debug", "info", "warn", "error"] = "info") -> None:
    """A message for the operator."""
    from wit_world.imports import log as host

    host.log(host.Level[level.upper()], message)


def text_of(result) -> tuple[str | None, str | None]:
    """A result as text and as JSON, either of which may be absent."""
    if result is None or isinstance(result, str):
        return result, None
    encoded = json.dumps(plain(result), ensure_ascii=False, allow_nan=False)
    return encoded, encoded
