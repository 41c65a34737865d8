"""A first tool: it greets people, and counts words in files of the grant `notes`."""

from typing import Annotated

from tollgate import files, tool


@tool(read_only=True, idempotent=True)
def greet(
    name: Annotated[str, "The person's name.", {"minLength": 1}],
    times: Annotated[int, "How often to say hello.", {"minimum": 1, "maximum": 5}] = 1,
) -> str:
    """Greets a person."""
    return " ".join([f"Hello, {name}!"] * times)


@tool(read_only=True)
def words(path: Annotated[str, "A file of the grant `notes`."]) -> dict:
    """Counts the lines and words of a file."""
    # The gate decides on this, too: a tool has only what policy lets it have.
    text = files.read_text("notes", path)
    return {"lines": len(text.splitlines()), "words": len(text.split())}
