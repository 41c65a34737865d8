"""Schemas of type hints and docstrings."""

import dataclasses
import datetime
import enum
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, NewType, Optional, TypedDict

import pytest

from tollgate import Answer, InvalidArguments, _arguments, _schema, _tools
from tollgate._check import problem
from tollgate._values import ValueFault, encode

Name = NewType("Name", str)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Inner:
    x: int = 1


@dataclass
class Outer:
    """Something.

    Attributes:
        name: Its name,
            in two lines.
        inner: What is in it.
    """

    name: str
    inner: Inner = field(default_factory=Inner)
    tags: list[str] = field(default_factory=list)


@dataclass
class Card:
    kind: Literal["card"]
    number: str


@dataclass
class Cash:
    amount: int
    kind: Literal["cash"] = "cash"


class Part(TypedDict, total=False):
    size: "typing.Required[int]"
    note: str


class Point(NamedTuple):
    x: int
    y: int = 0


@dataclass
class Tree:
    below: "list[Tree]"


def of(hint: Any, **more: Any) -> Any:
    return _schema.schema(hint, "x", **more)


PLAIN = [
    (Optional[str], {"type": ["string", "null"]}),
    (list[int] | None, {"type": ["array", "null"], "items": {"type": "integer"}}),
    (Literal[1, 2], {"type": "integer", "enum": [1, 2]}),
    (Literal["a", 1, True], {"enum": ["a", 1, True]}),
    (Literal["a", None], {"type": ["string", "null"], "enum": ["a", None]}),
    (Optional[Literal["a"]], {"type": ["string", "null"], "enum": ["a", None]}),
    (Colour, {"type": "string", "enum": ["red", "blue"]}),
    (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
    (int | str | None, {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]}),
    (Name, {"type": "string"}),
    (Annotated[int, "How many.", {"minimum": 1}], {"type": "integer", "description": "How many.", "minimum": 1}),
    (list[Annotated[str, {"minLength": 1}]], {"type": "array", "items": {"type": "string", "minLength": 1}}),
    (Sequence[bytes], {"type": "array", "items": {"type": "string", "contentEncoding": "base64"}}),
    (set[int], {"type": "array", "uniqueItems": True, "items": {"type": "integer"}}),
    (Mapping[str, float], {"type": "object", "additionalProperties": {"type": "number"}}),
    (dict[str, Any], {"type": "object"}),
    (Any, {}),
]


@pytest.mark.parametrize(("hint", "expected"), PLAIN)
def test_a_hint_has_its_schema(hint: Any, expected: Any) -> None:
    assert of(hint) == expected


def test_a_dataclass_has_defaults_and_descriptions() -> None:
    whole = of(Outer)
    assert whole["description"] == "Something."
    assert whole["required"] == ["name"]
    assert whole["additionalProperties"] is False
    inner = whole["properties"]["inner"]
    assert (inner["default"], inner["description"]) == ({"x": 1}, "What is in it.")
    assert whole["properties"]["name"]["description"] == "Its name, in two lines."
    assert of(Outer, output=True)["required"] == ["name", "inner", "tags"]
    assert _arguments.decode(Outer, {"name": "a"}) == Outer("a")
    assert _arguments.decode(Outer, {"name": "a", "inner": {"x": 2}}) == Outer("a", Inner(2))


def test_a_tag_tells_dataclasses_apart() -> None:
    whole = of(Card | Cash | None)
    assert [one.get("required", "null") for one in whole["oneOf"]] == [["kind", "number"], ["kind", "amount"], "null"]
    assert _arguments.decode(Card | Cash, {"kind": "cash", "amount": 1}) == Cash(1)
    with pytest.raises(_schema.HintError, match="cannot be told apart"):
        of(Inner | Outer)


def test_a_typed_dict_and_a_named_tuple_are_objects() -> None:
    assert of(Part)["required"] == ["size"]
    assert _arguments.decode(Part, {"size": 1}) == {"size": 1}
    assert of(Point)["properties"]["y"] == {"type": "integer", "default": 0}
    assert _arguments.decode(Point, {"x": 3}) == Point(3)
    assert encode(Point(3)) == {"x": 3, "y": 0}


@pytest.mark.parametrize("hint", [complex, list[complex], dict[int, str], Tree, type, Literal[b"x"]])
def test_what_has_no_schema_is_refused(hint: Any) -> None:
    with pytest.raises(_schema.HintError, match="x"):
        of(hint)


def test_values_are_made_of_json_and_back() -> None:
    moment = datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.timezone.utc)
    for hint, text, value in [
        (datetime.datetime, "2026-01-02T03:04:00Z", moment),
        (datetime.date, "2026-01-02", datetime.date(2026, 1, 2)),
        (Decimal, "1.50", Decimal("1.50")),
        (bytes, "AP8=", b"\x00\xff"),
        (Colour, "red", Colour.RED),
        (tuple[int, str], [1, "a"], (1, "a")),
        (set[int], [1, 2], {1, 2}),
        (float, 2, 2.0),
        (Optional[datetime.timedelta], 1.5, datetime.timedelta(seconds=1.5)),
    ]:
        assert _arguments.decode(hint, text) == value
        assert encode(value) == text
    for hint, text in [(datetime.date, "2026-02-30"), (bytes, "?"), (Decimal, "x")]:
        with pytest.raises(InvalidArguments, match="/when"):
            _arguments.decode(hint, text, "/when")


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"a": [1.0, float("nan")]}, "`/a/1` is nan"),
        ({"a": object()}, "`/a` is an `object`"),
        ({1: 2}, "keys of objects"),
        (2**60, "2\\^53"),
        (["\ud800"], "half a character"),
    ],
)
def test_what_has_no_json_form_is_named(value: Any, where: str) -> None:
    with pytest.raises(ValueFault, match=where):
        encode(value)


def tool_of(function: Any) -> _tools.Tool:
    return _tools._tool(function.__name__, None, function, {})


def test_a_docstring_is_split() -> None:
    def look(name: str, depth: Annotated[int, "How deep."] = 2) -> dict[str, int]:
        """Looks.

        More about it.

        Args:
            name: What to
                look at.

        Returns:
            How many of each.
        """
        return {}

    made = tool_of(look)
    assert made.description == "Looks.\n\nMore about it."
    name, depth = made.input_schema["properties"].values()
    assert name == {"type": "string", "description": "What to look at."}
    assert depth == {"type": "integer", "description": "How deep.", "default": 2}
    assert made.output_schema is not None
    assert made.output_schema["description"] == "How many of each."


def returns(hint: Any) -> Any:
    def function() -> None:
        """A."""

    function.__annotations__["return"] = hint
    return tool_of(function)


def test_a_result_is_promised_by_its_hint() -> None:
    for hint in (str, None, Any, dict, str | None, str | Inner):
        assert returns(hint).output_schema is None
    assert returns(Inner).output_schema == of(Inner, output=True)
    assert returns(Answer[Inner]).output_schema == of(Inner, output=True)
    assert returns(list[str]).output_schema["properties"]["result"]["type"] == "array"
    made = returns(int | None)
    assert [part for part in _tools.parts(made, None)][1].value == {"result": None}  # type: ignore[union-attr]
    with pytest.raises(_tools.ResultFault, match="`/result` is not of the type integer"):
        _tools.parts(made, "x")
    with pytest.raises(_tools.ResultFault, match="lacks `x`"):
        _tools.parts(returns(Inner), {})


def test_a_function_that_cannot_be_a_tool_is_refused() -> None:
    def untyped(x):  # type: ignore[no-untyped-def]
        """A."""

    def starred(*x: int) -> None:
        """A."""

    def yielding() -> Any:
        """A."""
        yield 1

    def undocumented() -> None:
        pass

    def misdocumented(x: int) -> None:
        """A.

        Args:
            y: No such thing.
        """

    for function, word in [
        (untyped, "needs a type"),
        (starred, "has no name"),
        (yielding, "yields"),
        (undocumented, "docstring"),
        (misdocumented, "`y`"),
    ]:
        with pytest.raises((TypeError, ValueError), match=word):
            tool_of(function)


def test_a_default_is_not_shared_by_calls() -> None:
    def gather(names: list[str] = []) -> list[str]:  # noqa: B006
        """A."""
        names.append("x")
        return names

    made = _tools.tool(gather)
    try:
        assert _tools.call("gather", {}) == ["x"]
        assert _tools.call("gather", {}) == ["x"]
    finally:
        del _tools.TOOLS[made.__name__]


def test_problems_say_where() -> None:
    schema = of(Outer)
    assert problem(schema, {"name": "a", "inner": {"x": 1}}) is None
    assert problem(schema, {"name": "a", "inner": {"x": True}}) == "`/inner/x` is not of the type integer"
    assert problem(schema, {"name": "a", "z": 1}) == "it has the unknown member `z`"
    assert problem(schema, {}) == "it lacks `name`"
    assert problem(of(tuple[int, str]), [1]) == "it has fewer than 2 items"


def test_fields_of_a_dataclass_are_typed_by_future_annotations() -> None:
    made = dataclasses.make_dataclass("Made", [("x", "int"), ("y", str, "a")])
    assert of(made)["properties"] == {"x": {"type": "integer"}, "y": {"type": "string", "default": "a"}}
