"""What an operator can do, as values: whom it concerns, what is asked first, and the requests that follow.

An action is built when its dialog opens; its targets do not change after that, whatever the tables do. A
step is one request with its equal command; carrying it out is the shell's work. The actions themselves stand
in `execution_actions`, `registration_actions` and `daemon_actions`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flowyd.swf.limits import DATA_CHARACTERS

Values = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request to the SWF service or, where `control`, to the daemon."""

    #: SWF action, or command of the control socket.
    action: str
    request: dict[str, Any]
    #: Whom it concerns, for the result.
    target: str
    #: The equal `flowyd …` command.
    command: str
    control: bool = False
    #: The command concerns one domain.
    scoped: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One thing that is asked before an action."""

    name: str
    label: str
    value: str = ""
    hint: str = ""
    needed: bool = False
    #: Longest text in characters.
    limit: int = DATA_CHARACTERS
    #: What may be chosen from; empty: free text.
    choices: tuple[str, ...] = ()
    #: Only digits may be typed.
    whole_number: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One action on one or many targets."""

    title: str
    #: What the button says.
    verb: str
    #: What the toast says when it is done, such as "terminated".
    done: str
    targets: tuple[str, ...]
    steps: Callable[[Values], tuple[Step, ...]]
    fields: tuple[Field, ...] = ()
    #: What the operator should know before; empty when nothing is lost.
    warning: str = ""
    #: The number of targets must be typed in when there are several.
    count_needed: bool = field(default=True)

    @property
    def is_bulk(self) -> bool:
        return self.count_needed and len(self.targets) > 1


def problems(action: Action, values: Values) -> dict[str, str]:
    """What is wrong with the fields, by name; empty when it may be sent."""
    found = {}
    for asked in action.fields:
        text = values.get(asked.name, "")
        if asked.needed and not text:
            found[asked.name] = "is needed"
        elif len(text) > asked.limit:
            found[asked.name] = f"{len(text):,} characters; {asked.limit:,} are allowed"
        elif asked.whole_number and text and not text.isdigit():
            found[asked.name] = "must be a whole number"
    if action.is_bulk and values.get("count", "") != str(len(action.targets)):
        found["count"] = f"type {len(action.targets)} to confirm"
    return found
