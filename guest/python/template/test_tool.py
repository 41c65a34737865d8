"""Run with `pytest`, in this folder. The fixture `gate` is a double of the host, empty at the start."""

import pytest

import tool  # noqa: F401  (its functions register themselves)
from tollgate import Denied, InvalidArguments
from tollgate.testing import Gate


def test_greets(gate: Gate) -> None:
    assert gate.call("greet", name="Ada", times=2).text == "Hello, Ada! Hello, Ada!"
    assert gate.call("greet", name="Ada").text == "Hello again, Ada!"


def test_arguments_are_checked_as_the_gate_checks_them(gate: Gate) -> None:
    with pytest.raises(InvalidArguments, match="/times"):
        gate.call("greet", name="Ada", times=9)


def test_counts(gate: Gate) -> None:
    notes = gate.grant("notes", {"a.txt": "a b\nc\n"})
    assert gate.call("words", path="a.txt").structured == {"lines": 2, "words": 3}
    notes.deny("Notes are private.")
    with pytest.raises(Denied, match="Notes are private"):
        gate.call("words", path="a.txt")
