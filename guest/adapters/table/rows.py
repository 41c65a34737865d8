"""Rows of a table: reading them, and what is computed from them."""

import csv
import io
import json
import operator
import re

from tollgate import Failed, InvalidArguments, files

MAX_ROWS = 100_000
# Beyond this, JSON readers differ.
MAX_NUMBER = 2**53 - 1
# 007 is a name, not a number.
NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,15})(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")


def read(grant: str, path: str) -> list[dict]:
    """The rows of a file, each a dict; numbers are numbers."""
    text = files.read_text(grant, path)
    kind = path.rpartition(".")[2].lower()
    try:
        if kind in ("csv", "tsv"):
            reader = csv.DictReader(io.StringIO(text), delimiter="\t" if kind == "tsv" else ",")
            rows = [{k: number(v) for k, v in row.items() if k is not None} for row in reader]
        elif kind == "jsonl":
            rows = [document(line) for line in text.splitlines() if line.strip()]
        elif kind == "json":
            rows = document(text)
        else:
            raise InvalidArguments(f"`path`: {path!r} is neither .csv, .tsv, .json nor .jsonl")
    except (csv.Error, ValueError) as error:
        raise Failed(f"{path!r} is not {kind}: {error}") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Failed(f"{path!r} is not a list of objects")
    if len(rows) > MAX_ROWS:
        raise Failed(f"{path!r} has {len(rows)} rows, more than {MAX_ROWS}")
    return rows


def document(text):
    def refused(word):
        raise ValueError(f"{word} is not JSON")

    return json.loads(text, parse_constant=refused)


def number(text):
    """A number if it is written as one, `None` for nothing."""
    if text is None or text == "":
        return None
    if not NUMBER.fullmatch(text):
        return text
    value = float(text) if set(text) & set(".eE") else int(text)
    return value if abs(value) <= MAX_NUMBER else text


def columns(rows) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def known(rows, name):
    if rows and name not in columns(rows):
        raise InvalidArguments(f"there is no column {name!r}; there are: {', '.join(columns(rows))}")
    return name


def summary(rows) -> dict:
    described = []
    for name in columns(rows):
        values = [row[name] for row in rows if row.get(name) is not None]
        about = {"name": name, "missing": len(rows) - len(values), "distinct": len({repr(v) for v in values})}
        if values and all(is_number(v) for v in values):
            about |= {"kind": "number", "min": min(values), "max": max(values), "mean": sum(values) / len(values)}
        elif values and all(isinstance(v, str) for v in values):
            about |= {"kind": "text", "min": min(values), "max": max(values)}
        else:
            about |= {"kind": "mixed"}
        described.append(about)
    return {"rows": len(rows), "columns": described}


def is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


TESTS = {
    "equal": operator.eq,
    "not_equal": operator.ne,
    "less": operator.lt,
    "at_most": operator.le,
    "more": operator.gt,
    "at_least": operator.ge,
}


def matching(rows, conditions) -> list[dict]:
    for condition in conditions:
        known(rows, condition.column)
        rows = [row for row in rows if meets(row.get(condition.column), condition)]
    return rows


def meets(value, condition) -> bool:
    if condition.test == "contains":
        return condition.value.casefold() in str(value).casefold()
    wanted = number(condition.value)
    if is_number(value) != is_number(wanted):
        value, wanted = str(value), condition.value
    try:
        return TESTS[condition.test](value, wanted)
    except TypeError:
        return False


def aggregated(rows, group_by, measures) -> list[dict]:
    groups: dict[tuple, list] = {}
    for name in group_by:
        known(rows, name)
    for row in rows:
        key = tuple(json.dumps(row.get(name)) for name in group_by)
        groups.setdefault(key, []).append(row)
    result = []
    for key, members in groups.items():
        row = {name: json.loads(value) for name, value in zip(group_by, key)}
        for measure in measures or ["count"]:
            row[measure] = measured(members, rows, measure)
        result.append(row)
    return result


def measured(members, rows, measure):
    what, _, column = measure.partition(":")
    if measure == "count":
        return len(members)
    if what not in ("sum", "mean", "min", "max") or not column:
        raise InvalidArguments(f"`aggregate`: {measure!r} is neither `count` nor as in `sum:amount`")
    values = [row[known(rows, column)] for row in members if is_number(row.get(column))]
    if not values:
        return None
    return {"sum": sum, "min": min, "max": max, "mean": lambda v: sum(v) / len(v)}[what](values)


def order(rows, sort_by) -> list[dict]:
    if not sort_by:
        return rows
    name = known(rows, sort_by.removeprefix("-"))


    def key(row):
        value = row.get(name)
        return (is_number(value), value if is_number(value) else str(value))

    there = sorted((r for r in rows if r.get(name) is not None), key=key, reverse=sort_by.startswith("-"))
    return there + [row for row in rows if row.get(name) is None]
