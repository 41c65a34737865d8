"""The host of a component: the functions of `wit_world`, with the SDK's own types."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable
from typing import Any

from . import _host
from .content import Content, Image, Resource, Structured, Text
from .secrets import Credential

_NAMES = ("calls", "clock", "config", "files", "http", "log", "progress", "random", "secrets", "state", "types")
# Loaded when the component is built, because nothing can be loaded within a call.
_interfaces: dict[str, Any] = {name: importlib.import_module(f"wit_world.imports.{name}") for name in _NAMES}
_Err: type[Exception] = importlib.import_module("componentize_py_types").Err


class Gate:
    """The gate that runs the component."""

    def __init__(self) -> None:
        self.open = False
        """Whether a call runs. There is no gate while the component is built."""

    def invoke(self, interface: str, operation: str, *arguments: Any) -> Any:
        """Calls a function of the WIT."""
        if not self.open:
            raise RuntimeError(
                f"tollgate.{interface} cannot be used while the component is built; "
                "move this from the top of the module into a tool"
            )
        module = _interfaces[interface]
        to, back = _CONVERSIONS.get((interface, operation), (_arguments, _found))
        function = getattr(module, operation.replace("-", "_"))
        try:
            return back(function(*to(*arguments)))
        except _Err as error:
            raise _refusal(getattr(error, "value", None)) from None


def _arguments(*arguments: Any) -> Any:
    return arguments


def _found(found: Any) -> Any:
    return found


def _refusal(error: Any) -> _host.Refusal:
    # A variant's cases are classes, an enum's are members.
    name = getattr(error, "name", None) or type(error).__name__.rpartition("_")[2]
    kind = name.lower().replace("_", "-") if name.isupper() else re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
    detail: Any = getattr(error, "value", None)
    if kind == "denied":
        return _host.Refusal(kind, _host.Denial(detail.decision, detail.reason, detail.approval))
    return _host.Refusal(kind, detail if isinstance(detail, str) else None)


def _fetch(
    method: str,
    url: str,
    headers: list[tuple[str, str]],
    body: bytes | None,
    credentials: list[Credential],
    redirects: int,
    timeout: int | None,
) -> tuple[Any]:
    http = _interfaces["http"]
    places: dict[str, Callable[[str], Any]] = {
        "bearer": lambda _: http.Place_Bearer(),
        "header": http.Place_Header,
        "query": http.Place_Query,
        "json-pointer": http.Place_JsonPointer,
    }
    fields = [http.Header(name, value) for name, value in headers]
    attached = [http.Credential(one.secret, places[one.place](one.name)) for one in credentials]
    return (http.Request(method, url, fields, body, attached, redirects, timeout),)


def _response(found: Any) -> Any:
    return found.status, found.url, [(field.name, field.value) for field in found.headers], found.body


def _scoped(scope: str, *rest: Any) -> Any:
    return getattr(_interfaces["state"].Scope, scope.upper()), *rest


def _entry(found: Any) -> Any:
    return found.name, found.kind.name.lower(), found.size


def _contents(found: list[Any]) -> list[Content]:
    types, made = _interfaces["types"], list[Content]()
    for part in found:
        if isinstance(part, types.Content_Text):
            made.append(Text(part.value))
        elif isinstance(part, types.Content_Image):
            made.append(Image(part.value.media_type, part.value.data))
        elif isinstance(part, types.Content_Resource):
            made.append(Resource(part.value.uri, part.value.body.value, part.value.media_type))
        else:
            made.append(Structured(json.loads(part.value)))
    return made


def content(part: Content) -> Any:
    """A part of a result as the WIT has it."""
    types = _interfaces["types"]
    if isinstance(part, Text):
        return types.Content_Text(_host.text(part.text, "a text"))
    if isinstance(part, Image):
        return types.Content_Image(types.Image(part.media_type, bytes(part.data)))
    if isinstance(part, Structured):
        return types.Content_Structured(json.dumps(part.value, ensure_ascii=False, allow_nan=False))
    body = types.ResourceBody_Text if isinstance(part.body, str) else types.ResourceBody_Blob
    return types.Content_Resource(types.EmbeddedResource(part.uri, part.media_type, body(part.body)))


_CONVERSIONS: dict[tuple[str, str], tuple[Callable[..., Any], Callable[..., Any]]] = {
    ("calls", "call"): (_arguments, _contents),
    ("config", "get"): (_arguments, lambda found: None if found is None else found.value),
    ("files", "grants"): (_arguments, lambda found: [(g.name, g.mode.name.lower().replace("_", "-")) for g in found]),
    ("files", "list"): (_arguments, lambda found: [_entry(entry) for entry in found]),
    ("files", "stat"): (_arguments, _entry),
    ("http", "fetch"): (_fetch, _response),
    ("log", "log"): (lambda level, text: (_interfaces["log"].Level[level.upper()], text), _found),
    **{
        ("state", name): (_scoped, _found)
        for name in ("get", "set", "delete", "list-keys", "compare-and-set")
    },
}
