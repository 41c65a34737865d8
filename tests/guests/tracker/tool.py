"""Issues of a tracker, by its HTTP API: lists in pages, a key in a header, errors as JSON."""

import csv
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import faults  # noqa: F401  (its tools register themselves)
from tollgate import (
    Failed,
    InvalidArguments,
    StatusError,
    ToolError,
    calls,
    clock,
    config,
    files,
    http,
    log,
    progress,
    random,
    secrets,
    state,
    tool,
)

KEY = secrets.header("x-api-key", "tracker")


@dataclass
class Issue:
    """An issue.

    Attributes:
        number: Its number.
        title: Its title, as a stranger may have written it.
        opened: When it was opened.
        assignee: The login of who works on it.
    """

    number: int
    title: str
    opened: datetime
    assignee: str | None = None


@dataclass
class Found:
    issues: list[Issue]
    pages: int


@dataclass
class Labelled:
    """Issues with a label."""

    kind: Literal["label"]
    label: str


@dataclass
class Assigned:
    """Issues of a person.

    Attributes:
        login: The person's login.
    """

    kind: Literal["person"]
    login: str


@tool(read_only=True, open_world=True)
def issues(
    open: bool = True,
    only: Labelled | Assigned | None = None,
    most: Annotated[int, "Issues to return at most.", {"minimum": 1, "maximum": 500}] = 100,
) -> Found:
    """Lists issues, the newest first.

    Args:
        open: Whether they are open or closed.
        only: Which of them.
    """
    match only:
        case Labelled(label=label):
            chosen = {"label": label}
        case Assigned(login=login):
            chosen = {"assignee": login}
        case _:
            chosen = {}
    found = Found(issues=[], pages=0)
    parameters = {"state": "open" if open else "closed", **chosen}
    try:
        for page in http.pages(_url("/issues"), params=parameters, credentials=[KEY]):
            found.issues += [_issue(item) for item in page.json()]
            found.pages += 1
            progress.report(found.pages, message=f"{len(found.issues)} issues")
            if len(found.issues) >= most:
                break
    except StatusError as error:
        raise _explained(error) from None
    found.issues = found.issues[:most]
    return found


@dataclass
class Comment:
    id: int
    written: datetime


@tool(open_world=True, idempotent=True)
def comment(issue: int, text: Annotated[str, {"minLength": 1}]) -> Comment:
    """Comments on an issue. The same comment in the same run is made once."""
    # The server knows a request that it has seen by this key.
    name = f"comment/{issue}/{hashlib.sha256(text.encode()).hexdigest()}"
    key = state.run.get_text(name)
    if key is None:
        key = str(random.uuid4())
        state.run.set(name, key)
    url = _url(f"/issues/{issue}/comments")
    try:
        made = http.post(url, json={"text": text}, headers={"idempotency-key": key}, credentials=[KEY])
        made.raise_for_status()
    except StatusError as error:
        raise _explained(error) from None
    state.adapter.update("comments", lambda before: str(int(before or 0) + 1))
    return Comment(id=made.json()["id"], written=clock.now())


@tool
async def export(name: str = "issues.csv") -> str:
    """Writes the open issues into a file of the grant `data`, and has the tool `files__write` keep a receipt."""
    found = await _all()
    path = f"{clock.now():%Y-%m-%d}/{name}"
    with files.open("data", path, "x") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerows([issue.number, issue.title, issue.opened.isoformat()] for issue in found.issues)
    log.info(f"wrote {path} after {clock.elapsed().total_seconds()} s")
    calls.call("files__write", grant="data", path="receipt.txt", text=path, overwrite=True)
    return f"{len(found.issues)} issues in {path}"


async def _all() -> Found:
    return issues()


def _url(path: str) -> str:
    if not secrets.exists("tracker"):
        log.warn("no key is granted; the tracker will refuse")
    base = config.text("url")
    if base is None:
        raise Failed("the tracker's URL is not configured: the operator sets `url`")
    return base + path


def _issue(item: dict[str, Any]) -> Issue:
    person = item.get("assignee")
    opened = datetime.fromisoformat(item["opened"].replace("Z", "+00:00"))
    return Issue(item["number"], item["title"], opened, person["login"] if person else None)


def _explained(error: StatusError) -> ToolError:
    """An error with what the server says about it."""
    try:
        reason = error.response.json()["error"]["message"]
    except (Failed, KeyError, TypeError):
        return error
    if error.status in (404, 422):
        return InvalidArguments(f"the tracker refuses this: {reason}")
    return Failed(f"the tracker answers {error.status}: {reason}")
