"""Tasks that killed their workers: how they are known again, and what our processes tell each other of them.

A task is known again by its workflow id, its activity type and its input: the activity id changes with each
attempt, and another execution with the same input may well run through. What is quarantined is told to the
workers in a file of keys, one a line: `KEY hold` (leave the task open, an operator decides) or
`KEY fail DEATHS` (fail it at once). A key tells nothing of what it stands for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from flowyd.errors import ProtocolError

#: Characters of a key.
_KEY_CHARACTERS = 16


class Verdict(str, Enum):
    """What becomes of a task's further attempts."""

    WATCHED = "watched"  #: they run; it has killed workers, but fewer than the limit
    HELD = "held"  #: they stay open, within their own timeouts, until an operator decides
    FAILED = "failed"  #: an operator had them failed


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedTask:
    """One quarantined task in the daemon's status."""

    key: str
    verdict: Verdict
    pool: str
    type_name: str
    type_version: str
    workflow_id: str
    #: Workers that died with it in hand, in a row, and how many are allowed.
    deaths: int
    limit: int
    #: How the last of them died, and when (epoch seconds).
    last_death: str
    died_at: float
    #: Attempts that are open now and wait for the decision.
    held: int


def key_of(*, workflow_id: str, type_name: str, type_version: str, input_text: str | None) -> str:
    """What a task is known by from one attempt to the next."""
    known_by = bytearray()
    for part in (workflow_id, type_name, type_version, input_text or ""):
        encoded = part.encode("utf-8", "surrogatepass")
        known_by += len(encoded).to_bytes(4, "big") + encoded
    return hashlib.blake2b(known_by, digest_size=_KEY_CHARACTERS // 2).hexdigest()


def encode_keys(verdicts: Mapping[str, int | None]) -> str:
    """The file of keys: by key the number of deaths if the task is to be failed, None if it is held."""
    return "".join(
        f"{key} hold\n" if deaths is None else f"{key} fail {deaths}\n" for key, deaths in verdicts.items()
    )


def decode_keys(text: str) -> dict[str, int | None]:
    """What `encode_keys` wrote; a line that is none of its own is passed over."""
    found: dict[str, int | None] = {}
    for line in text.splitlines():
        match line.split(" "):
            case [key, "hold"]:
                found[key] = None
            case [key, "fail", deaths] if deaths.isdigit():
                found[key] = int(deaths)
    return found


def encode_tasks(tasks: Iterable[QuarantinedTask]) -> list[dict[str, Any]]:
    """The records as JSON-able members."""
    return [asdict(task) for task in tasks]


def decode_tasks(members: Iterable[Mapping[str, Any]]) -> tuple[QuarantinedTask, ...]:
    """The records of `encode_tasks`'s members.

    Raises:
        ProtocolError: a member is missing or unknown.
    """
    try:
        return tuple(QuarantinedTask(**{**entry, "verdict": Verdict(entry["verdict"])}) for entry in members)
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError(f"the list of quarantined tasks cannot be read: {error}") from error
