"""Functions as tools: how they are listed and called."""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import json
import re
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar, overload

from . import _docstring, _schema
from ._arguments import decode
from ._check import problem
from .content import Answer, Content, Image, Resource, Structured, Text
from .errors import InvalidArguments, ToolError
from ._values import ValueFault, encode

F = TypeVar("F", bound=Callable[..., Any])
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PARTS = (Text, Image, Resource, Structured)


@dataclasses.dataclass(frozen=True)
class Tool:
    """A tool as it is listed and called."""

    name: str
    title: str | None
    description: str
    function: Callable[..., Any]
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None
    wrapped: bool
    annotations: dict[str, bool]


TOOLS: dict[str, Tool] = {}


@overload
def tool(function: F, /) -> F: ...
@overload
def tool(
    *,
    name: str | None = None,
    title: str | None = None,
    read_only: bool = False,
    destructive: bool = False,
    idempotent: bool = False,
    open_world: bool = False,
) -> Callable[[F], F]: ...
def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    title: str | None = None,
    read_only: bool = False,
    destructive: bool = False,
    idempotent: bool = False,
    open_world: bool = False,
) -> Any:
    """Makes a function a tool: `@tool` or `@tool(read_only=True)`.

    Its docstring is what the model reads. Its type hints, with their descriptions from the docstring's `Args`
    or from `Annotated`, become the JSON Schema of the arguments, and the hint of its result the schema of the
    result. The other keywords are hints for people and agents, never grounds for a decision.

    Args:
        name: The tool's name, if the function's is not suitable.
        title: A name for people.
        read_only: It changes nothing.
        destructive: It may overwrite or delete something.
        idempotent: Calling it twice with the same arguments has the effect of calling it once.
        open_world: It reaches beyond what the operator controls.
    """
    hints = {
        "read_only": read_only,
        "destructive": destructive,
        "idempotent": idempotent,
        "open_world": open_world,
    }

    def register(function: F) -> F:
        made = _tool(name or function.__name__, title, function, hints)
        if made.name in TOOLS:
            raise ValueError(f"two tools have the name {made.name!r}")
        TOOLS[made.name] = made
        return function

    return register if function is None else register(function)


def _tool(name: str, title: str | None, function: Callable[..., Any], hints: dict[str, bool]) -> Tool:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be a tool's name; it has 1 to 64 of A-Z, a-z, 0-9, `_` and `-`")
    text = _docstring.read(function)
    if not text.text:
        raise ValueError(f"the tool {name!r} needs a docstring: it is what the model reads")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"the tool {name!r} yields; a tool returns its whole result, such as a list")
    if inspect.iscoroutinefunction(function):
        from . import _loop  # noqa: F401  (loaded now, because nothing can be loaded within a call)
    output, wrapped = _output(function, name)
    if output and text.returns:
        output = _schema.described(output, text.returns)
    return Tool(name, title, text.text, function, _parameters(function, text), output, wrapped, hints)


@functools.lru_cache(maxsize=None)
def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    return typing.get_type_hints(function, include_extras=True)


def _parameters(function: Callable[..., Any], text: _docstring.Docstring) -> dict[str, Any]:
    """The JSON Schema of a function's parameters."""
    hints, name = _hints(function), function.__name__
    properties, required = {}, []
    parameters = inspect.signature(function).parameters
    if unknown := [named for named in text.arguments if named not in parameters]:
        raise TypeError(f"{name}: the docstring describes `{unknown[0]}`, which is not a parameter")
    for key, parameter in parameters.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"{name}: the parameter `{key}` has no name for its argument; a tool cannot have it")
        if key not in hints:
            raise TypeError(f"{name}: the parameter `{key}` needs a type")
        needed = parameter.default is parameter.empty
        default = dataclasses.MISSING if needed else parameter.default
        member = _schema.Member(key, hints[key], needed, default, text.arguments.get(key, ""))
        whole = _schema.schema(hints[key], f"{name}.{key}")
        whole = _schema.described(whole, member.description)
        properties[key] = _schema.with_default(whole, member, name, False)
        if needed:
            required.append(key)
    return _schema.closed(properties, required)


def _output(function: Callable[..., Any], name: str) -> tuple[dict[str, Any] | None, bool]:
    """The JSON Schema of a function's structured result, if its hint promises one, and whether the result is
    the member `result` of an object, because it is not an object itself."""
    hint, _ = _schema.unwrapped(_hints(function).get("return", Any))
    if typing.get_origin(hint) is Answer:
        hint = typing.get_args(hint)[0]
    elif not _promises(hint):
        return None, False
    found = _schema.schema(hint, f"{name}: the result", output=True)
    if found == {"type": "object"}:
        # It promises nothing.
        return None, False
    if found.get("type") == "object":
        return found, False
    return _schema.closed({"result": found}, ["result"], output=True), True


def _promises(hint: Any) -> bool:
    """Whether a result of this type is always structured."""
    hint, _ = _schema.unwrapped(hint)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return all(_promises(choice) for choice in args if choice is not type(None))
    if origin is list:
        return args[0] is str or _promises(args[0])
    return (origin or hint) not in (Any, object, None, type(None), str, Answer, *_PARTS)


def call(name: str, arguments: dict[str, Any]) -> Any:
    """Calls a tool by its name with JSON values, and returns what its function returns."""
    made = TOOLS[name]
    hints = _hints(made.function)
    values = {key: decode(hints.get(key, Any), value, f"/{key}") for key, value in arguments.items()}
    for key, parameter in inspect.signature(made.function).parameters.items():
        if key not in values and isinstance(parameter.default, (list, dict, set)):
            # One call does not change the default of the next.
            values[key] = copy.deepcopy(parameter.default)
    result = made.function(**values)
    if inspect.iscoroutine(result):
        from ._loop import finish

        return finish(result)
    return result


def answer(name: str, arguments: dict[str, Any]) -> list[Content]:
    """Calls a tool as the gate does: its arguments are checked, and its result is what the agent gets."""
    made = TOOLS.get(name)
    if made is None:
        raise ToolError(f"there is no tool {name!r}")
    if wrong := problem(made.input_schema, arguments):
        raise InvalidArguments(wrong)
    return parts(made, call(name, arguments))


class ResultFault(TypeError):
    """A result that is not what the tool promises, or that has no JSON form."""


def parts(made: Tool, result: Any) -> list[Content]:
    """The parts of a result: text for a str, else JSON for programs and the same as text."""
    text = None
    if isinstance(result, Answer):
        result, text = result.value, result.text
    if made.output_schema is None and text is None:
        if result is None:
            return []
        if isinstance(result, str):
            return [Text(encode(result, ""))]
        if isinstance(result, _PARTS):
            return [result]
        if isinstance(result, (list, tuple)) and result and all(isinstance(part, _PARTS) for part in result):
            return list(result)
    try:
        value = encode(result)
    except ValueFault as error:
        raise ResultFault(f"the result of `{made.function.__name__}`: {error}") from None
    own = json.dumps(value, ensure_ascii=False, allow_nan=False) if text is None else text
    if made.wrapped or (made.output_schema is None and not isinstance(value, dict)):
        value = {"result": value}
    if made.output_schema and (wrong := problem(made.output_schema, value)):
        raise ResultFault(f"the result of `{made.function.__name__}` is not what its type promises: {wrong}")
    return [Text(own), Structured(value)]
