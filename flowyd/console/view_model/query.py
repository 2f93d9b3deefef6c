"""The filter of the executions list: free words and `name:value` terms, all of which must hold.

`resize` matches in workflow id, type, tags or run id. `type:`, `id:`, `run:`, `tag:` match the beginning of
that part, `status:` the beginning of the status word, `since:2h` and `before:2h` the start time. A leading
`-` turns a term round. What cannot be understood is a word to look for, so typing never gives an error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flowyd.console.view_model.executions import STATUSES, Execution

_UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A filter as typed, split once."""

    text: str
    terms: tuple[tuple[str, str], ...]

    @property
    def is_empty(self) -> bool:
        return not self.terms


def parse(text: str) -> Query:
    """The query of what was typed."""
    terms = []
    for word in text.split():
        name, colon, value = word.partition(":")
        known = name.lower().lstrip("-") in _TERMS
        if colon and known and value:
            terms.append((name.lower(), value.lower()))
        elif not (colon and known):
            terms.append(("", word.lower()))
    return Query(text=text, terms=tuple(terms))


def matches(query: Query, execution: Execution, *, now: float) -> bool:
    """Whether the execution is one of those asked for."""
    for name, value in query.terms:
        test = _TERMS[name.removeprefix("-")] if name else _word
        turned = name.startswith("-")
        if not name and value.startswith("-") and len(value) > 1:
            turned, value = True, value[1:]
        if test(execution, value, now) == turned:
            return False
    return True


def close_status(query: Query) -> str | None:
    """SWF's close status that the query asks for, so that the service can look for it; None: any."""
    for name, value in query.terms:
        if name == "status":
            found = [s for s in STATUSES if s != "OPEN" and _status_matches(s, value)]
            if len(found) == 1:
                return found[0]
    return None


def seconds(text: str) -> float | None:
    """`90`, `15m`, `2h`, `3d` in seconds; None when it is no duration."""
    unit = text[-1:]
    figure, factor = (text[:-1], _UNITS[unit]) if unit in _UNITS else (text, 1.0)
    return float(figure) * factor if figure.isascii() and figure.isdigit() else None


def _word(execution: Execution, value: str, _now: float) -> bool:
    fields = (
        execution.workflow_id,
        f"{execution.type_name} {execution.type_version}",
        execution.run_id,
        *execution.tags,
    )
    return any(value in field.lower() for field in fields)


def _status_matches(status: str, value: str) -> bool:
    word = STATUSES[status][1] if status in STATUSES else status
    return status.lower().startswith(value) or word.replace(" ", "").startswith(value.replace("_", ""))


def _since(execution: Execution, value: str, now: float) -> bool:
    back = seconds(value)
    return back is None or execution.started_at >= now - back


def _before(execution: Execution, value: str, now: float) -> bool:
    back = seconds(value)
    return back is None or execution.started_at < now - back


_TERMS: dict[str, Callable[[Execution, str, float], bool]] = {
    "type": lambda e, v, _n: e.type_name.lower().startswith(v),
    "version": lambda e, v, _n: e.type_version.lower() == v,
    "id": lambda e, v, _n: e.workflow_id.lower().startswith(v),
    "run": lambda e, v, _n: e.run_id.lower().startswith(v),
    "tag": lambda e, v, _n: any(tag.lower().startswith(v) for tag in e.tags),
    "status": lambda e, v, _n: _status_matches(e.status, v),
    "since": _since,
    "before": _before,
}
