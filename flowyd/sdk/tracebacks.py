"""How an exception travels: reason (its text, 256 characters) and details (JSON with the traceback)."""

from __future__ import annotations

import json
import traceback
from dataclasses import dataclass

from flowyd.swf.limits import DATA_CHARACTERS, REASON_CHARACTERS

#: The end of a long traceback is the part that explains.
_CUT = "… (the beginning is cut off)\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An exception in the two texts the service keeps."""

    reason: str
    details: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """What details say about an exception in another process."""

    error_type: str | None = None
    traceback: str | None = None


def reason_of(exception: BaseException) -> str:
    """The text of the exception, or its class name where it has none; at most 256 characters."""
    return (str(exception) or type(exception).__name__)[:REASON_CHARACTERS]


def describe(exception: BaseException) -> Failure:
    """The exception in reason and details, within the service's limits."""
    text = "".join(traceback.format_exception(type(exception), exception, exception.__traceback__))
    return Failure(
        reason=reason_of(exception), details=describe_text(_qualified(exception), str(exception), text)
    )


def describe_text(error_type: str, message: str, text: str) -> str:
    """Details for an exception of that class with that traceback."""
    message = message[: DATA_CHARACTERS // 4]
    while True:
        details = json.dumps({"type": error_type, "message": message, "traceback": text}, ensure_ascii=False)
        excess = len(details) - DATA_CHARACTERS
        if excess <= 0:
            return details
        text = _CUT + text[excess + len(_CUT) :] if len(text) > excess + len(_CUT) else ""


def _qualified(exception: BaseException) -> str:
    cls = type(exception)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def read_details(details: str | None) -> Remote:
    """What the details of a failure say; empty where they are not ours."""
    try:
        members = json.loads(details or "")
        return Remote(error_type=str(members["type"]), traceback=str(members["traceback"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        return Remote()
