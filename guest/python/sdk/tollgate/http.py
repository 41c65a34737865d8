"""HTTP requests, sent by the host: `http.get(url, bearer="github").raise_for_status().json()`.

Policy decides each request, each redirect and each secret: let `Denied` pass, so that the agent reads the
reason. Responses arrive decoded and whole. A status of 400 or more is a response, not an error.
"""

from __future__ import annotations

import json as _json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypedDict
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from . import _host
from .errors import Denied, Failed
from .secrets import Credential, bearer as _bearer

if TYPE_CHECKING:
    from typing_extensions import Unpack

_WORDS = {
    "timeout": "it took too long",
    "too-large": "the response is larger than the host allows",
    "too-many-redirects": "it redirects too often",
}
_LINK = re.compile(r'<([^>]*)>((?:\s*;\s*[\w!#$&+.^`|~-]+\*?\s*=\s*(?:"[^"]*"|[^",;\s]+))*)')
_RELATION = re.compile(r'\brel\s*=\s*(?:"([^"]*)"|([^",;\s]+))', re.IGNORECASE)

Parameter = str | int | float | bool | None | Iterable[str | int | float | bool]


class Options(TypedDict, total=False):
    """What may be said about a request, by keyword."""

    params: Mapping[str, Parameter] | None
    """The query: `None` is left out, booleans are `true` and `false`, a list repeats its parameter."""
    headers: Mapping[str, str] | None
    """Fields of the header. The host refuses those that it sets itself, such as `host`."""
    json: Any
    """A body in JSON, with its content type."""
    data: bytes | str | Mapping[str, str] | None
    """A body as it is; a mapping becomes a form."""
    bearer: str | None
    """The name of a secret that the host attaches as `authorization: Bearer <secret>`."""
    credentials: Iterable[Credential]
    """Secrets that the host attaches elsewhere, as `tollgate.secrets` makes them."""
    redirects: int
    """How many redirects to follow, at most 10; 0 returns a redirect as it is. The default is 5."""
    timeout: float | timedelta | None
    """Seconds for the whole exchange. The default is the rest of the call's time."""


class HttpError(Failed):
    """Why there is no response, or not the expected one.

    Attributes:
        kind: `invalid-request`, `unresolved`, `unreachable`, `tls`, `timeout`, `too-large`,
            `too-many-redirects`, `malformed`, `status`, `pages` or `failed`.
    """

    def __init__(self, text: str, kind: str) -> None:
        super().__init__(text)
        self.kind = kind


class StatusError(HttpError):
    """The server answered 400 or more.

    Attributes:
        response: What it answered.
    """

    def __init__(self, text: str, response: Response) -> None:
        super().__init__(text, "status")
        self.response = response

    @property
    def status(self) -> int:
        """The status code."""
        return self.response.status


class Headers(Mapping[str, str]):
    """Fields of a header, by name in any case. Several fields of one name are joined by commas."""

    def __init__(self, fields: Iterable[tuple[str, str]]) -> None:
        self.fields = [(name.lower(), value) for name, value in fields]

    def __getitem__(self, name: str) -> str:
        values = self.all(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self.fields))

    def __len__(self) -> int:
        return len(dict(self.fields))

    def all(self, name: str) -> list[str]:
        """The values of all fields of a name, in their order."""
        return [value for field, value in self.fields if field == name.lower()]


@dataclass(frozen=True)
class Response:
    """A response.

    Attributes:
        method: The method of the request.
        status: The status code.
        url: The URL that answered, after redirects, without attached secrets.
        headers: Its header.
        body: Its body, decoded.
    """

    method: str
    status: int
    url: str
    headers: Headers
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status < 400

    @property
    def text(self) -> str:
        """The body as text, in UTF-8."""
        try:
            return self.body.decode()
        except UnicodeDecodeError:
            raise self._error("it is not text in UTF-8", "malformed") from None

    def json(self) -> Any:
        """The body as JSON."""
        try:
            return _json.loads(self.body)
        except ValueError as error:
            raise self._error(f"it is not JSON: {error}", "malformed") from None

    def raise_for_status(self) -> Response:
        """The response itself, if its status is below 400; else raises `StatusError`."""
        if not self.ok:
            what = _doing(self.method, self.url)
            raise StatusError(f"cannot {what}: the server answered {self.status}", self)
        return self

    @property
    def links(self) -> dict[str, str]:
        """The URLs of the field `link` (RFC 8288), by relation, such as `next`."""
        found: dict[str, str] = {}
        for target, parameters in _LINK.findall(self.headers.get("link", "")):
            if relation := _RELATION.search(parameters):
                for name in (relation[1] or relation[2] or "").lower().split():
                    found.setdefault(name, urljoin(self.url, target))
        return found

    def _error(self, text: str, kind: str) -> HttpError:
        return HttpError(f"cannot {_doing(self.method, self.url)}: {text}", kind)


def request(method: str, url: str, **options: Unpack[Options]) -> Response:
    """Sends a request with any method, and waits for the response."""
    unknown = options.keys() - Options.__annotations__.keys()
    if unknown:
        raise TypeError(f"a request has no option {', '.join(sorted(unknown))}")
    headers = [(name, value) for name, value in (options.get("headers") or {}).items()]
    body = _body(options, headers)
    credentials = [*options.get("credentials", ())]
    if secret := options.get("bearer"):
        credentials.append(_bearer(secret))
    timeout = options.get("timeout")
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    millis = None if seconds is None else max(1, min(round(seconds * 1000), 2**32 - 1))
    whole = _with_parameters(url, options.get("params") or {})
    redirects = options.get("redirects", 5)
    if not 0 <= redirects <= 10:
        raise HttpError(f"cannot {_doing(method, url)}: it follows 0 to 10 redirects", "invalid-request")
    for part in (method, whole, *(text for header in headers for text in header)):
        _host.text(part, "a method, URL or field of the header")
    try:
        status, final, fields, content = _host.invoke(
            "http", "fetch", method, whole, headers, body, credentials, redirects, millis
        )
    except _host.Refusal as refusal:
        raise _why(refusal, _doing(method, url)) from None
    return Response(method, status, final, Headers(fields), content)


def get(url: str, **options: Unpack[Options]) -> Response:
    """Sends a `GET`."""
    return request("GET", url, **options)


def head(url: str, **options: Unpack[Options]) -> Response:
    """Sends a `HEAD`."""
    return request("HEAD", url, **options)


def post(url: str, **options: Unpack[Options]) -> Response:
    """Sends a `POST`; `json` or `data` is its body."""
    return request("POST", url, **options)


def put(url: str, **options: Unpack[Options]) -> Response:
    """Sends a `PUT`; `json` or `data` is its body."""
    return request("PUT", url, **options)


def patch(url: str, **options: Unpack[Options]) -> Response:
    """Sends a `PATCH`; `json` or `data` is its body."""
    return request("PATCH", url, **options)


def delete(url: str, **options: Unpack[Options]) -> Response:
    """Sends a `DELETE`."""
    return request("DELETE", url, **options)


Step = str | Mapping[str, Parameter] | None


def pages(
    url: str,
    *,
    next: Callable[[Response], Step] | None = None,
    most: int = 100,
    **options: Unpack[Options],
) -> Iterator[Response]:
    """The pages of a list, one `GET` each, as they are asked for. Each has a status below 400.

    Args:
        url: The first page.
        next: Finds in a page what leads to the next: its URL, or query parameters to change, or nothing.
            The default is the field `link` with `rel="next"`.
        most: The most pages.
        options: Those of `request`. They hold for each page.

    Raises:
        HttpError: With kind `pages`, if there are more, if a page leads to itself, or to another origin.
    """
    step = next or (lambda page: page.links.get("next"))
    seen: set[str] = set()
    while True:
        page = get(url, **options).raise_for_status()
        yield page
        found = step(page)
        if not found:
            return
        seen.add(_with_parameters(url, options.get("params") or {}))
        if isinstance(found, str):
            to = urljoin(page.url, found)
            options["params"] = None
        else:
            to, options["params"] = url, {**(options.get("params") or {}), **found}
        if _origin(to) != _origin(url):
            raise page._error(f"the next page is at another server, {_origin(to)}", "pages")
        if _with_parameters(to, options.get("params") or {}) in seen:
            raise page._error("the next page is one that was read already", "pages")
        if len(seen) >= most:
            raise page._error(f"there are more than {most} pages", "pages")
        url = to


def _why(refusal: _host.Refusal, doing: str) -> Denied | HttpError:
    if denied := refusal.denied(doing):
        return denied
    if refusal.kind == "no-such-secret":
        return Denied(f"cannot {doing}: the operator granted this tool no secret `{refusal.detail}`")
    return HttpError(f"cannot {doing}: {refusal.text(_WORDS)}", refusal.kind)


def _body(options: Options, headers: list[tuple[str, str]]) -> bytes | None:
    def typed(kind: str) -> None:
        if not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("content-type", kind))

    data = options.get("data")
    if options.get("json") is not None:
        if data is not None:
            raise TypeError("a request has `json` or `data`, not both")
        typed("application/json")
        return _json.dumps(options["json"], ensure_ascii=False, allow_nan=False).encode()
    if isinstance(data, Mapping):
        typed("application/x-www-form-urlencoded")
        return urlencode(data).encode()
    return None if data is None else _host.data(data, "the body")


def _with_parameters(url: str, parameters: Mapping[str, Parameter]) -> str:
    def text(value: object) -> str:
        return str(value).lower() if isinstance(value, bool) else str(value)

    more: list[tuple[str, str]] = []
    for name, value in parameters.items():
        if isinstance(value, Iterable) and not isinstance(value, str):
            more += [(name, text(item)) for item in value]
        elif value is not None:
            more.append((name, text(value)))
    if not more:
        return url
    parts = urlsplit(url)
    query = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in parameters]
    return urlunsplit(parts._replace(query=urlencode(query + more)))


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _doing(method: str, url: str) -> str:
    # A query may contain secrets.
    return f"{method} {re.split('[?#]', url)[0][:200]}"
