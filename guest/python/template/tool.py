"""A first tool: it greets people, and counts words in files of the grant `notes`."""

from dataclasses import dataclass
from typing import Annotated

from tollgate import files, state, tool


@tool(idempotent=True)
def greet(
    name: Annotated[str, "The person's name.", {"minLength": 1}],
    times: Annotated[int, "How often to say hello.", {"minimum": 1, "maximum": 5}] = 1,
) -> str:
    """Greets a person, and remembers for the run whom it greeted."""
    # The gate decides on this, too: a tool has only what policy lets it have.
    greeted = state.run.get_json("greeted", default=[])
    state.run.set_json("greeted", [*greeted, name])
    again = " again" if name in greeted else ""
    return " ".join([f"Hello{again}, {name}!"] * times)


@dataclass
class Count:
    """What a file holds.

    Attributes:
        lines: How many lines it has.
        words: How many words they have in all.
    """

    lines: int
    words: int


@tool(read_only=True)
def words(path: str) -> Count:
    """Counts the lines and words of a file.

    Args:
        path: A file of the grant `notes`.
    """
    text = files.read_text("notes", path)
    return Count(lines=len(text.splitlines()), words=len(text.split()))
