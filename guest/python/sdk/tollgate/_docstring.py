"""Docstrings in Google's style: the text, and what it says about each argument or attribute."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field

_ARGUMENTS = ("Args", "Arguments", "Parameters", "Attributes")
_OTHERS = ("Returns", "Return", "Yields", "Raises", "Result")
_HEADING = re.compile(rf"({'|'.join(_ARGUMENTS + _OTHERS)}):\s*$")
_ENTRY = re.compile(r"\*{0,2}([A-Za-z_]\w*)\s*(?:\([^)]*\))?:\s*(.*)$")


@dataclass
class Docstring:
    """A docstring in parts.

    Attributes:
        text: Without the sections below.
        arguments: The sections `Args` and `Attributes`, by name.
        returns: The section `Returns`.
    """

    text: str = ""
    arguments: dict[str, str] = field(default_factory=dict)
    returns: str = ""


def read(documented: object) -> Docstring:
    """The docstring of a function or class. What `dataclass` and `TypedDict` write themselves is none."""
    own = documented.__dict__.get("__doc__") if isinstance(documented, type) else getattr(documented, "__doc__", None)
    if not own or (isinstance(documented, type) and own.startswith(f"{documented.__name__}(")):
        return Docstring()
    found = Docstring()
    section, lines = "", dict[str, list[str]]()
    for line in inspect.cleandoc(own).splitlines():
        if heading := _HEADING.match(line):
            section = heading[1]
        elif section and line and not line[0].isspace():
            # The section is over: text again.
            section = ""
        lines.setdefault(section, [])
        if not heading:
            lines[section].append(line)
    found.text = "\n".join(lines.get("", [])).strip()
    for name in _ARGUMENTS:
        found.arguments.update(_entries(lines.get(name, [])))
    found.returns = _joined(lines.get("Returns", []) + lines.get("Return", []))
    return found


def _entries(lines: list[str]) -> dict[str, str]:
    indent = next((len(line) - len(line.lstrip()) for line in lines if line.strip()), 0)
    entries: dict[str, list[str]] = {}
    last: list[str] = []
    for line in lines:
        entry = _ENTRY.match(line.strip())
        if entry and len(line) - len(line.lstrip()) == indent:
            last = entries.setdefault(entry[1], [])
            last.append(entry[2])
        else:
            last.append(line)
    return {name: _joined(text) for name, text in entries.items()}


def _joined(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())
