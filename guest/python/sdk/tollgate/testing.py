"""A double of the host, so that a tool's tests run without a gate: the fixture `gate`.

`conftest.py` has `pytest_plugins = ["tollgate.testing"]`, and a test takes it:

```
def test_counts_words(gate: Gate) -> None:
    gate.grant("notes", {"x.txt": "a b"})
    assert gate.call("words", path="x.txt").structured == {"lines": 1, "words": 2}
```

Without pytest: `with Gate() as gate:`. The double follows the contract of the WIT but does not decide by
policy: only its `deny` methods refuse.
"""

from __future__ import annotations

import json as _json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any, Literal
from urllib.parse import urlsplit

from . import _host, _tools
from ._values import encode
from .content import Content, Result, Text
from .http import Headers
from .secrets import Credential

NOW = datetime(2026, 11, 23, 10, tzinfo=timezone.utc)
"""The time of a double, until `at` sets another."""
_MAX_BYTES = 64 << 10
_MAX_FILE = 8 << 20


@dataclass(frozen=True)
class Request:
    """A request that a tool sent."""

    method: str
    url: str
    headers: Headers
    body: bytes
    credentials: tuple[Credential, ...] = ()
    redirects: int = 5
    timeout: float | None = None

    def json(self) -> Any:
        """The body as JSON."""
        return _json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """What a server answers: a status, and JSON or a body as it is."""

    status: int = 200
    json: Any = None
    body: bytes | str = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        """The body."""
        if self.json is not None:
            return _json.dumps(self.json).encode()
        return self.body.encode() if isinstance(self.body, str) else self.body


@dataclass(frozen=True)
class Report:
    """A report of `tollgate.progress`."""

    progress: int
    total: int | None
    message: str


Answering = Callable[[dict[str, Any]], "Sequence[Content] | str | Mapping[str, Any]"]


class TestGrant:
    """A directory that is granted to the tool."""

    __test__ = False

    def __init__(self, mode: Literal["r", "rw"]) -> None:
        self.mode = mode
        self.files: dict[str, bytes] = {}
        self.refusal: str | None = None
        self._made: set[str] = set()

    def put(self, path: str, data: bytes | str) -> None:
        """Creates a file, in any mode."""
        self.files[path] = data.encode() if isinstance(data, str) else data
        parts = path.split("/")
        self._made.update("/".join(parts[:count]) for count in range(1, len(parts)))

    def text(self, path: str) -> str:
        """The content of a file."""
        return self.files[path].decode()

    def deny(self, reason: str) -> None:
        """Refuses every operation from now on."""
        self.refusal = reason

    def holds(self, path: str) -> bool:
        """Whether a directory is at a path."""
        return not path or path in self._made

    def invoke(self, operation: str, path: str, data: bytes = b"") -> Any:
        """Does what an operation of `tollgate.files` does."""
        if re.search(r"[\x00-\x1f\x7f\\]", path) or (path and {"", ".", ".."} & set(path.split("/"))):
            raise _host.Refusal("invalid-path", "write it with `/`, without `.`, `..` and empty segments")
        _refuse(self.refusal)
        if operation in ("write", "create", "append", "delete") and self.mode == "r":
            raise _host.Refusal("read-only")
        return getattr(self, f"_{operation}")(path, data)

    def _read(self, path: str, _: bytes) -> bytes:
        self._expect(path, file=True)
        return self.files[path]

    def _stat(self, path: str, _: bytes) -> tuple[str, str, int]:
        name = path.rpartition("/")[2]
        if path in self.files:
            return name, "file", len(self.files[path])
        self._expect(path, file=False)
        return name, "directory", 0

    def _list(self, path: str, _: bytes) -> list[tuple[str, str, int]]:
        self._expect(path, file=False)
        paths = [*self.files, *self._made]
        inside = sorted(one for one in paths if one.rpartition("/")[0] == path and one != path)
        return [self._stat(one, b"") for one in inside]

    def _write(self, path: str, data: bytes) -> None:
        parents = [path[: match.start()] for match in re.finditer("/", path)]
        if self.holds(path) or any(parent in self.files for parent in parents):
            raise _host.Refusal("wrong-kind")
        if len(data) > _MAX_FILE:
            raise _host.Refusal("too-large")
        self.put(path, data)

    def _create(self, path: str, data: bytes) -> None:
        if self.holds(path) or path in self.files:
            raise _host.Refusal("exists")
        self._write(path, data)

    def _append(self, path: str, data: bytes) -> None:
        self._write(path, self.files.get(path, b"") + data)

    def _delete(self, path: str, _: bytes) -> None:
        if self.files.pop(path, None) is not None:
            return
        self._expect(path, file=False)
        if not path or self._list(path, b""):
            raise _host.Refusal("not-empty")
        self._made.discard(path)

    def _expect(self, path: str, *, file: bool) -> None:
        if path in self.files if file else self.holds(path):
            return
        there = self.holds(path) if file else path in self.files
        raise _host.Refusal("wrong-kind" if there else "not-found")


class Web:
    """Servers: prepared answers; nothing is sent.

    Attributes:
        sent: The requests so far, with those that had no answer.
    """

    def __init__(self) -> None:
        self.sent: list[Request] = []
        self._answers: dict[tuple[str, str], list[Reply | Callable[[Request], Reply]]] = {}
        self._refusals: dict[str, str] = {}
        self._failures: dict[str, tuple[str, str | None]] = {}

    def answer(
        self,
        method: str,
        url: str,
        status: int = 200,
        *,
        json: Any = None,
        body: bytes | str = b"",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answers requests with this method and exactly this URL, query included.

        A second answer for the same request comes after the first; the last one stays.
        """
        self._answers.setdefault((method, url), []).append(Reply(status, json, body, headers or {}))

    def handle(self, method: str, url: str, handler: Callable[[Request], Reply]) -> None:
        """Answers requests with this method and URL, without its query, by a function."""
        self._answers[method, url] = [handler]

    def deny(self, host: str, reason: str) -> None:
        """Refuses every request to a host from now on."""
        self._refusals[host] = reason

    def fail(self, host: str, kind: str, text: str | None = None) -> None:
        """Lets every request to a host fail, such as with `timeout` or `unreachable`."""
        self._failures[host] = (kind, text)

    def fetch(self, secrets: set[str], request: Request) -> tuple[int, str, list[tuple[str, str]], bytes]:
        """Does what `fetch` does."""
        parts = urlsplit(request.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not request.method.isupper():
            raise _host.Refusal("invalid-request", "the URL is absolute, and the method in upper case")
        for credential in request.credentials:
            if credential.secret not in secrets:
                raise _host.Refusal("no-such-secret", credential.secret)
        _refuse(self._refusals.get(parts.hostname))
        self.sent.append(request)
        if failure := self._failures.get(parts.hostname):
            raise _host.Refusal(*failure)
        found = self._answers.get((request.method, request.url))
        found = found or self._answers.get((request.method, request.url.partition("?")[0]))
        if not found:
            raise _host.Refusal("unreachable", f"no answer is prepared for {request.method} {request.url}")
        reply = found.pop(0) if len(found) > 1 else found[0]
        reply = reply if isinstance(reply, Reply) else reply(request)
        fields = [(name.lower(), value) for name, value in reply.headers.items()]
        return reply.status, request.url, fields, reply.content()


class Gate:
    """A double of the gate, empty at the start.

    Attributes:
        web: Servers.
        run_state: What `tollgate.state.run` holds.
        adapter_state: What `tollgate.state.adapter` holds.
        reports: The reports of `tollgate.progress`.
        logs: The messages of `tollgate.log`, each with its level.
        called: The calls of other components' tools, each with its arguments.
    """

    def __init__(self) -> None:
        self.web = Web()
        self.run_state: dict[str, bytes] = {}
        self.adapter_state: dict[str, bytes] = {}
        self.reports: list[Report] = []
        self.logs: list[tuple[str, str]] = []
        self.called: list[tuple[str, dict[str, Any]]] = []
        self._grants: dict[str, TestGrant] = {}
        self._secrets: set[str] = set()
        self._config: dict[str, Any] = {}
        self._tools: dict[str, Answering] = {}
        self._refusals: dict[str, str] = {}
        self._began = self._now = NOW
        self._random = Random(0)

    def __enter__(self) -> Gate:
        _host.connect(self)
        return self

    def __exit__(self, *_: object) -> None:
        _host.disconnect(self)

    def call(self, tool: str, arguments: Mapping[str, Any] | None = None, /, **more: Any) -> Result:
        """Calls a tool as the gate does: its arguments are checked against its schema, and its result is what
        the agent gets. What the tool raises is raised here.

        Raises:
            InvalidArguments: If the arguments do not match.
        """
        given = {**(arguments or {}), **more}
        return Result(_tools.answer(tool, _json.loads(_json.dumps(given))))

    def grant(
        self, name: str, files: Mapping[str, bytes | str] | None = None, *, mode: Literal["r", "rw"] = "rw"
    ) -> TestGrant:
        """Grants a directory with these files."""
        made = self._grants[name] = TestGrant(mode)
        for path, data in (files or {}).items():
            made.put(path, data)
        return made

    def secret(self, name: str) -> None:
        """Grants a secret. It has no value, like all secrets in a tool."""
        self._secrets.add(name)

    def configure(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Configures values: texts, integers, floats, booleans and lists of texts."""
        self._config.update({**(values or {}), **more})

    def answer(self, tool: str, answer: Answering | str | Mapping[str, Any]) -> None:
        """Answers calls of another component's tool: with a text, an object, or by a function of its arguments.

        A function may raise a ToolError. Tools without an answer do not exist.
        """
        self._tools[tool] = answer if callable(answer) else lambda _: answer

    def deny(self, interface: Literal["state", "config", "calls"], reason: str) -> None:
        """Refuses every operation of an interface from now on."""
        self._refusals[interface] = reason

    def at(self, time: datetime) -> None:
        """Sets the clock. It does not advance by itself."""
        self._began = self._now = time

    def advance(self, time: timedelta) -> None:
        """Advances the clock."""
        self._now += time

    def seed(self, seed: int) -> None:
        """Restarts the random sequence. It is repeatable, and not random at all."""
        self._random = Random(seed)

    def end_run(self) -> None:
        """Deletes the run's state, as when a run ends."""
        self.run_state.clear()

    def invoke(self, interface: str, operation: str, *arguments: Any) -> Any:
        """Does what the host does."""
        _refuse(self._refusals.get(interface))
        return getattr(self, f"_do_{interface}")(operation, *arguments)

    def _do_files(self, operation: str, grant: str = "", *arguments: Any) -> Any:
        if operation == "grants":
            names = {"r": "read-only", "rw": "read-write"}
            return [(name, names[one.mode]) for name, one in sorted(self._grants.items())]
        if grant not in self._grants:
            raise _host.Refusal("no-such-grant")
        return self._grants[grant].invoke(operation, *arguments)

    def _do_http(self, _: str, method: str, url: str, headers: Any, body: Any, secrets: Any, *more: Any) -> Any:
        redirects, millis = more
        timeout = None if millis is None else millis / 1000
        request = Request(method, url, Headers(headers), body or b"", tuple(secrets), redirects, timeout)
        return self.web.fetch(self._secrets, request)

    def _do_secrets(self, _: str, name: str) -> bool:
        return name in self._secrets

    def _do_state(self, operation: str, scope: str, key: str, *values: bytes | None) -> Any:
        kept = self.run_state if scope == "run" else self.adapter_state
        if operation == "list-keys":
            return sorted((one for one in kept if one.startswith(key)), key=str.encode)
        if not 1 <= len(key.encode()) <= 256 or re.search(r"[\x00-\x1f\x7f]", key):
            raise _host.Refusal("invalid-key", "it has 1 to 256 bytes, without control characters")
        if operation == "get":
            return kept.get(key)
        if operation == "delete":
            return kept.pop(key, None) is not None
        if operation == "compare-and-set" and kept.get(key) != values[0]:
            return False
        value = values[-1] or b""
        if len(value) > _MAX_BYTES:
            raise _host.Refusal("too-large")
        if key not in kept and len(kept) >= 1000:
            raise _host.Refusal("full")
        kept[key] = value
        return True

    def _do_calls(self, _: str, tool: str, arguments: str) -> Sequence[Content]:
        from .errors import Denied, InvalidArguments, ToolError

        given = _json.loads(arguments)
        self.called.append((tool, given))
        if tool not in self._tools:
            raise _host.Refusal("invalid", f"there is no tool `{tool}`")
        try:
            found = self._tools[tool](given)
        except Denied as error:
            raise _host.Refusal("denied", _host.Denial("test", error.reason, error.approval)) from None
        except ToolError as error:
            raise _host.Refusal("invalid" if isinstance(error, InvalidArguments) else "failed", str(error)) from None
        if isinstance(found, (str, Mapping)):
            made = _tools.Tool(tool, None, "", lambda: None, {}, None, False, {})
            return [Text(found)] if isinstance(found, str) else _tools.parts(made, found)
        return found

    def _do_config(self, _: str, key: str) -> Any:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", key):
            raise _host.Refusal("invalid-key", "a key has 1 to 64 ASCII letters, digits, `-` and `_`")
        return encode(self._config.get(key))

    def _do_progress(self, _: str, progress: int, total: int | None, message: str) -> None:
        if len(self.reports) < 100 and (not self.reports or progress > self.reports[-1].progress):
            self.reports.append(Report(progress, total, message))

    def _do_clock(self, operation: str) -> int:
        since = datetime(1970, 1, 1, tzinfo=timezone.utc) if operation == "now" else self._began
        return (self._now - since) // timedelta(milliseconds=1)

    def _do_random(self, _: str, count: int) -> bytes:
        if count > _MAX_BYTES:
            raise _host.Refusal("too-many")
        return self._random.randbytes(count)

    def _do_log(self, _: str, level: str, message: str) -> None:
        self.logs.append((level, message))


def _refuse(reason: str | None) -> None:
    if reason is not None:
        raise _host.Refusal("denied", _host.Denial("test", reason))


try:
    import pytest
except ImportError:
    # Without pytest there is no fixture; `with Gate() as gate` does the same.
    pass
else:

    @pytest.fixture(name="gate")
    def _gate() -> Iterator[Gate]:
        """A double of the host, empty at the start."""
        with Gate() as gate:
            yield gate
