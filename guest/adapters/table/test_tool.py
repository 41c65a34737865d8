"""Run with `pytest`, in this folder."""

from typing import Any

import pytest

import tool  # noqa: F401
from tollgate import Failed, InvalidArguments
from tollgate.testing import Gate

TABLE = "region,amount,id\nnorth,10,007\nsouth,2.5,008\nnorth,30,\n"


def call(gate: Gate, name: str, text: str = TABLE, path: str = "t.csv", **arguments: Any) -> Any:
    gate.grant("data", {path: text}, mode="r")
    return gate.call(name, grant="data", path=path, **arguments).structured


def test_summary(gate: Gate) -> None:
    summary = call(gate, "summarise")
    assert summary["rows"] == 3
    region, amount, id = summary["columns"]
    assert (region["kind"], region["distinct"]) == ("text", 2)
    assert (amount["min"], amount["max"], amount["kind"]) == (2.5, 30, "number")
    assert (id["kind"], id["missing"], id["min"]) == ("text", 1, "007")


def test_groups(gate: Gate) -> None:
    found = call(gate, "query", group_by=["region"], aggregate=["sum:amount", "count"], sort_by="-sum:amount")
    assert found["rows"][0] == {"region": "north", "sum:amount": 40, "count": 2}


def test_filter(gate: Gate) -> None:
    where = [{"column": "amount", "test": "at_least", "value": "10"}]
    assert call(gate, "query", where=where, limit=1)["count"] == 2
    with pytest.raises(InvalidArguments):
        call(gate, "query", sort_by="colour")


def test_json(gate: Gate) -> None:
    rows = call(gate, "query", text='[{"a": 2}, {"a": null}, {"a": 1}]', path="t.json", sort_by="a")["rows"]
    assert [row["a"] for row in rows] == [1, 2, None]
    for text in ("{}", "[1]", "[NaN]", "["):
        with pytest.raises(Failed):
            call(gate, "query", text=text, path="t.json")
