"""Tables: look into CSV and JSON files of a grant, filter, group, add up and sort them."""

from dataclasses import dataclass
from typing import Annotated, Literal

from rows import aggregated, matching, order, read, summary
from tollgate import tool

Grant = Annotated[str, "The directory, by the name that the operator gave it."]
Path = Annotated[str, "A file in it that ends in .csv, .tsv, .json or .jsonl."]


@dataclass
class Condition:
    column: str
    test: Literal["equal", "not_equal", "less", "at_most", "more", "at_least", "contains"]
    value: str


@tool(read_only=True, idempotent=True)
def summarise(grant: Grant, path: Path) -> dict:
    """Says what is in a table: its columns, each with its kind, how many values are missing, the least, the
    greatest, and for numbers the mean."""
    return summary(read(grant, path))


@tool(read_only=True, idempotent=True)
def query(
    grant: Grant,
    path: Path,
    where: Annotated[list[Condition], "Keep the rows that meet all of these."] = [],
    group_by: Annotated[list[str], "One row for each combination of these columns."] = [],
    aggregate: Annotated[list[str], "What to compute: count, or sum, mean, min or max of a column, as in `sum:amount`."] = [],
    sort_by: Annotated[str, "A column of the result; `-` in front for the greatest first."] = "",
    limit: Annotated[int, "Rows to return at most.", {"minimum": 1, "maximum": 1000}] = 100,
) -> dict:
    """Filters, groups, aggregates and sorts the rows of a table."""
    rows = matching(read(grant, path), where)
    if group_by or aggregate:
        rows = aggregated(rows, group_by, aggregate)
    rows = order(rows, sort_by)
    return {"rows": rows[:limit], "count": len(rows)}
