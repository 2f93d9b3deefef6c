"""Which tasks kill their workers, and what is done about them: counted, held, and left to the operator.

A death counts against the tasks in hand when the worker died by itself; a task that ends with its worker
alive is cleared. At the pool's limit further attempts are held: the worker that gets one leaves it open, so
its own timeouts go on to count, and the operator releases it, has it failed, or raises the limit.

All of it is kept in a file, since a held task's token is in nobody else's hands; a released one stays
written down until a worker has it. A second file tells the workers the keys (flowyd.control.quarantine).
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from flowyd.control.quarantine import QuarantinedTask, Verdict, encode_keys
from flowyd.control.reports import TaskInHand
from flowyd.errors import FlowydError

logger = logging.getLogger(__name__)

#: More tasks than this are not kept in mind; those that have killed nobody for longest are forgotten.
MOST = 1000
#: Of one quarantined task not more open attempts than this; older ones have most likely timed out.
MOST_HELD = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A task that has killed workers."""

    key: str
    verdict: Verdict
    pool: str
    type_name: str
    type_version: str
    workflow_id: str
    deaths: int
    limit: int
    #: The limit is the operator's, not the pool's.
    limit_raised: bool = False
    last_death: str
    died_at: float
    #: Attempts left open for the operator.
    held: tuple[TaskInHand, ...] = ()
    #: Attempts released and not yet in a worker's hands.
    released: tuple[TaskInHand, ...] = ()


class Quarantine:
    """The suspects by key, kept in a file."""

    def __init__(self, state_file: Path, keys_file: Path, suspects: Iterable[Suspect] = ()) -> None:
        self._state_file = state_file
        self._keys_file = keys_file
        self._suspects = {suspect.key: suspect for suspect in suspects}

    def tasks(self) -> tuple[QuarantinedTask, ...]:
        """Those that are quarantined, the latest death first."""
        found = [suspect for suspect in self._suspects.values() if suspect.verdict is not Verdict.WATCHED]
        return tuple(
            _shown(suspect) for suspect in sorted(found, key=lambda suspect: suspect.died_at, reverse=True)
        )

    def released(self) -> list[tuple[str, TaskInHand]]:
        """Pool and task of what was released and is in no worker's hands."""
        return [(suspect.pool, task) for suspect in self._suspects.values() for task in suspect.released]

    def died(self, task: TaskInHand, *, pool: str, death: str, limit: int | None, at: float) -> None:
        """A worker died by itself with the task in hand.

        Args:
            limit: the pool's; None: its tasks are never quarantined.
        """
        if not task.quarantine_key or limit is None:
            return
        known = self._suspects.get(task.quarantine_key) or _suspect(task, limit)
        limit = known.limit if known.limit_raised else limit
        deaths = known.deaths + 1
        verdict = known.verdict
        if verdict is Verdict.WATCHED and deaths >= limit:
            verdict = Verdict.HELD
            logger.error(
                "%s of %s is quarantined: it killed its worker %d times, the last was %s; "
                "flowyd quarantine shows it",
                task.type_name,
                task.workflow_id,
                deaths,
                death,
                extra=_about(task, pool),
            )
        self._put(
            replace(
                known,
                pool=pool,
                verdict=verdict,
                deaths=deaths,
                limit=limit,
                last_death=death,
                died_at=at,
                held=_without(known.held, task),
                released=_without(known.released, task),
            )
        )
        self._forget_beyond_limit()
        self.write()

    def survived(self, task: TaskInHand) -> None:
        """The task ended with its worker alive."""
        known = self._suspects.get(task.quarantine_key)
        if known is not None and known.verdict is Verdict.WATCHED:
            del self._suspects[known.key]
            self.write()

    def hold(self, task: TaskInHand) -> None:
        """A worker got an attempt and left it open."""
        known = self._suspects.get(task.quarantine_key)
        if known is None:
            return
        logger.warning(
            "%s of %s is held: it killed its worker %d times; flowyd quarantine release %s runs it",
            task.type_name,
            task.workflow_id,
            known.deaths,
            known.key,
            extra=_about(task, known.pool),
        )
        self._put(replace(known, held=(*_without(known.held, task), task)[-MOST_HELD:]))
        self.write()

    def taken(self, task: TaskInHand) -> None:
        """A worker has the task in hand."""
        known = self._suspects.get(task.quarantine_key)
        if known is not None and known.released:
            self._put(replace(known, released=_without(known.released, task)))
            self.write()

    # The operator's choice.

    def release(self, key: str) -> Suspect:
        """Its deaths are forgotten; the held attempts are to be run."""
        known = self._found(key)
        done = replace(
            known, verdict=Verdict.WATCHED, deaths=0, held=(), released=known.released + known.held
        )
        self._put(done)
        self.write()
        return done

    def fail(self, key: str) -> Suspect:
        """Further attempts fail at once; the suspect as it was, whose held attempts are to be failed."""
        known = self._found(key)
        self._put(replace(known, verdict=Verdict.FAILED, held=()))
        self.write()
        return known

    def raise_limit(self, key: str, limit: int) -> Suspect:
        """It may kill so many workers; below that its held attempts are to be run."""
        known = self._found(key)
        if limit <= known.deaths:
            raise FlowydError(f"it has killed {known.deaths} workers already; give a limit above that")
        done = replace(
            known,
            verdict=Verdict.WATCHED,
            limit=limit,
            limit_raised=True,
            held=(),
            released=known.released + known.held,
        )
        self._put(done)
        self.write()
        return done

    def write(self) -> None:
        """Keeps everything in the two files; a disk that is full costs the memory of it, not the daemon."""
        keys = {
            suspect.key: suspect.deaths if suspect.verdict is Verdict.FAILED else None
            for suspect in self._suspects.values()
            if suspect.verdict is not Verdict.WATCHED
        }
        state = json.dumps(msgspec.to_builtins(list(self._suspects.values())))
        try:
            _replace(self._state_file, state, mode=0o600)
            _replace(self._keys_file, encode_keys(keys), mode=0o644)
        except OSError as error:
            logger.error("the quarantine cannot be kept: %s", error, extra={"action": "quarantine"})

    def _found(self, key: str) -> Suspect:
        """The quarantined one whose key begins so."""
        quarantined = [suspect for suspect in self._suspects.values() if suspect.verdict != Verdict.WATCHED]
        found = [suspect for suspect in quarantined if key and suspect.key.startswith(key)]
        if len(found) == 1:
            return found[0]
        known = ", ".join(suspect.key for suspect in quarantined) or "none"
        what = "several quarantined tasks begin with" if found else "no quarantined task"
        raise FlowydError(f"{what} {key!r}; there are: {known}")

    def _put(self, suspect: Suspect) -> None:
        self._suspects[suspect.key] = suspect

    def _forget_beyond_limit(self) -> None:
        idle = [suspect for suspect in self._suspects.values() if not suspect.held and not suspect.released]
        surplus = len(self._suspects) - MOST
        for suspect in sorted(idle, key=lambda suspect: suspect.died_at)[: max(0, surplus)]:
            del self._suspects[suspect.key]


def open_quarantine(state_file: Path, keys_file: Path) -> Quarantine:
    """The quarantine as the file has it; both files are as they should be then."""
    found: list[Suspect] = []
    try:
        found = [_read(members) for members in json.loads(state_file.read_text())]
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError, KeyError) as error:
        logger.error("%s cannot be read and begins anew: %s", state_file, error)
    quarantine = Quarantine(state_file, keys_file, found)
    if found or keys_file.exists():
        quarantine.write()
    return quarantine


def _read(members: dict[str, Any]) -> Suspect:
    lists = {name: tuple(TaskInHand(**task) for task in members[name]) for name in ("held", "released")}
    return Suspect(**{**members, **lists, "verdict": Verdict(members["verdict"])})


def _replace(file: Path, text: str, *, mode: int) -> None:
    """The file holds the text, whole, even after a crash."""
    new = file.with_name(f".{file.name}.new")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with open(fd, "w", encoding="utf-8") as stream:
        os.fchmod(fd, mode)
        stream.write(text)
        stream.flush()
        os.fsync(fd)
    os.replace(new, file)


def _suspect(task: TaskInHand, limit: int) -> Suspect:
    return Suspect(
        key=task.quarantine_key,
        verdict=Verdict.WATCHED,
        pool="",
        type_name=task.type_name,
        type_version=task.type_version,
        workflow_id=task.workflow_id,
        deaths=0,
        limit=limit,
        last_death="",
        died_at=0.0,
    )


def _shown(suspect: Suspect) -> QuarantinedTask:
    return QuarantinedTask(
        key=suspect.key,
        verdict=suspect.verdict,
        pool=suspect.pool,
        type_name=suspect.type_name,
        type_version=suspect.type_version,
        workflow_id=suspect.workflow_id,
        deaths=suspect.deaths,
        limit=suspect.limit,
        last_death=suspect.last_death,
        died_at=suspect.died_at,
        held=len(suspect.held),
    )


def _without(tasks: tuple[TaskInHand, ...], task: TaskInHand) -> tuple[TaskInHand, ...]:
    return tuple(other for other in tasks if other.task_token != task.task_token)


def _about(task: TaskInHand, pool: str) -> dict[str, str]:
    return {
        "action": "quarantine",
        "pool": pool,
        "workflow_id": task.workflow_id,
        "run_id": task.run_id,
        "activity": task.type_name,
        "activity_id": task.activity_id,
    }
