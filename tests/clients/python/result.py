"""What the scenes look at of a tool's result."""


def of(content, is_error, meta, progress):
    """The answer of `call`, whichever release of the SDK the result is of."""
    told = {
        "text": "\n".join(part.text for part in content if part.type == "text"),
        "error": bool(is_error),
        "decision": (meta or {}).get("dev.tollgate/decision"),
    }
    return told | {"progress": progress.seen} if progress else told


class Progress:
    """Counts the reports that came."""

    def __init__(self):
        self.seen = 0

    async def __call__(self, _progress, _total, _message):
        self.seen += 1
