"""Run with `pytest`, in this folder."""

from datetime import datetime, timezone

import pytest

import tool  # noqa: F401
from tollgate import Denied, Failed, InvalidArguments, StatusError
from tollgate.testing import Gate

BASE = "https://tracker.test"
FIRST = {"number": 2, "title": "B", "opened": "2026-01-02T03:04:05Z", "assignee": {"login": "ada"}}
SECOND = {"number": 1, "title": "A", "opened": "2026-01-01T00:00:00Z", "assignee": None}


@pytest.fixture
def tracker(gate: Gate) -> Gate:
    """A gate with a tracker of two pages."""
    gate.configure(url=BASE)
    gate.secret("tracker")
    more = {"link": '</issues?state=open&page=2>; rel="next"'}
    gate.web.answer("GET", f"{BASE}/issues?state=open", json=[FIRST], headers=more)
    gate.web.answer("GET", f"{BASE}/issues?state=open&page=2", json=[SECOND])
    return gate


def test_every_page_is_read_with_the_key(tracker: Gate) -> None:
    found = tracker.call("issues").structured
    assert found["pages"] == 2
    first = {"number": 2, "title": "B", "opened": "2026-01-02T03:04:05Z", "assignee": "ada"}
    assert found["issues"][0] == first
    assert [request.credentials[0].secret for request in tracker.web.sent] == ["tracker"] * 2
    assert [report.progress for report in tracker.reports] == [1, 2]


def test_no_more_is_read_than_asked_for(tracker: Gate) -> None:
    assert tracker.call("issues", most=1).structured["pages"] == 1


def test_a_choice_is_a_parameter(tracker: Gate) -> None:
    tracker.web.answer("GET", f"{BASE}/issues?state=closed&assignee=ada", json=[])
    only = {"kind": "person", "login": "ada"}
    assert tracker.call("issues", open=False, only=only).structured["issues"] == []
    with pytest.raises(InvalidArguments):
        tracker.call("issues", only={"kind": "label", "login": "ada"})


def test_an_error_is_explained(tracker: Gate) -> None:
    said = {"error": {"message": "there is no label `x`"}}
    tracker.web.answer("GET", f"{BASE}/issues?state=open&label=x", 422, json=said)
    with pytest.raises(InvalidArguments, match="no label `x`"):
        tracker.call("issues", only={"kind": "label", "label": "x"})
    tracker.web.answer("GET", f"{BASE}/issues?state=closed", 503, body="<html>")
    with pytest.raises(StatusError, match="answered 503"):
        tracker.call("issues", open=False)


def test_a_refusal_passes(tracker: Gate) -> None:
    tracker.web.deny("tracker.test", "Not on Sundays.")
    with pytest.raises(Denied, match="Not on Sundays"):
        tracker.call("issues")


def test_without_a_url_nothing_is_sent(gate: Gate) -> None:
    with pytest.raises(Failed, match="`url`"):
        gate.call("issues")
    assert gate.web.sent == []


def test_a_comment_has_one_key_in_a_run(tracker: Gate) -> None:
    tracker.web.answer("POST", f"{BASE}/issues/1/comments", 201, json={"id": 7})
    tracker.at(datetime(2026, 3, 4, tzinfo=timezone.utc))
    for _ in range(2):
        made = tracker.call("comment", issue=1, text="hi")
        assert made.structured == {"id": 7, "written": "2026-03-04T00:00:00Z"}
    first, second = [request.headers["idempotency-key"] for request in tracker.web.sent]
    assert first == second
    assert tracker.adapter_state["comments"] == b"2"


def test_an_export_is_a_file_and_a_receipt(tracker: Gate) -> None:
    data = tracker.grant("data")
    tracker.answer("files__write", "ok")
    assert tracker.call("export").text == "2 issues in 2026-11-23/issues.csv"
    assert data.text("2026-11-23/issues.csv").startswith("2,B,2026-01-02T03:04:05+00:00\n")
    receipt = {"grant": "data", "path": "receipt.txt", "text": "2026-11-23/issues.csv", "overwrite": True}
    assert tracker.called == [("files__write", receipt)]
    with pytest.raises(Failed, match="already"):
        tracker.call("export")
