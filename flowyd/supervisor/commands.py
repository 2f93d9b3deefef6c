"""The commands of the control socket: what each needs, what it changes, what it answers.

Viewers may ask, operators may change; every change is logged with who asked for it and what it was about.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Protocol

from flowyd.control.protocol import ControlAnswer, ControlRequest
from flowyd.control.quarantine import encode_tasks
from flowyd.control.status import encode_status
from flowyd.errors import FlowydError
from flowyd.supervisor.access import Access, Role
from flowyd.supervisor.child import Child
from flowyd.supervisor.control_server import Later, Peer
from flowyd.supervisor.crew import Crew
from flowyd.supervisor.events import EventRing
from flowyd.supervisor.orders import dump, recycle
from flowyd.supervisor.picture import daemon_status
from flowyd.supervisor.pools import ENGINE, PoolState

logger = logging.getLogger(__name__)

#: More processes than this in one pool are taken for a slip of the finger.
MOST_PROCESSES = 512

Arguments = dict[str, Any]


class Daemon(Protocol):
    """What the commands reach of the supervisor."""

    crew: Crew
    access: Access
    events: EventRing
    started_at: float
    settled: bool

    def reload(self, *, is_forced: bool) -> Later:
        """Loads configuration and modules again. Raises FlowydError if it is refused at once."""
        ...

    def stop(self) -> None:
        """Begins the orderly end; a second time: the end at once."""
        ...


class Commands:
    """Answers control requests."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._asking: dict[str, Callable[[Arguments], dict[str, Any]]] = {
            "status": self._status,
            "log": self._log,
            "quarantine": self._quarantine,
            "events": self._events,
        }
        self._changing: dict[str, Callable[[Arguments], dict[str, Any] | Later]] = {
            "reload": self._reload,
            "scale": self._scale,
            "drain": self._drain,
            "resume": self._resume,
            "recycle": self._recycle,
            "dump": self._dump,
            "stop": self._stop,
            "quarantine-release": self._release,
            "quarantine-fail": self._fail,
            "quarantine-raise": self._raise_limit,
        }

    def answer(self, request: ControlRequest, peer: Peer) -> ControlAnswer | Later:
        """The answer to one request of the peer."""
        if request.command == "whoami":
            return ControlAnswer(answer={"role": peer.role.value, "uid": peer.uid})
        command: Callable[[Arguments], dict[str, Any] | Later] | None
        command = self._asking.get(request.command) or self._changing.get(request.command)
        if command is None:
            known = ", ".join(sorted([*self._asking, *self._changing, "whoami"]))
            return ControlAnswer(error=f"unknown command {request.command!r}; there are {known}")
        access = self._daemon.access
        if peer.role is Role.STRANGER:
            return ControlAnswer(error=f"uid {peer.uid} may not look; {access.viewers_in_words()}")
        if request.command in self._changing:
            if peer.role is not Role.OPERATOR:
                return ControlAnswer(
                    error=f"uid {peer.uid} may not {request.command}; {access.operators_in_words()}"
                )
            logger.info(
                "uid %d (pid %d) asks: %s",
                peer.uid,
                peer.pid,
                " ".join(
                    [request.command, *(f"{name}={value}" for name, value in request.arguments.items())]
                ),
                extra={
                    "action": "control",
                    "uid": peer.uid,
                    "command": request.command,
                    "target": _target(request.arguments),
                },
            )
        try:
            answer = command(request.arguments)
            return answer if isinstance(answer, Later) else ControlAnswer(answer=answer)
        except FlowydError as error:
            return ControlAnswer(error=str(error))

    def _status(self, _: Arguments) -> dict[str, Any]:
        daemon = self._daemon
        return encode_status(daemon_status(daemon.crew, started_at=daemon.started_at, settled=daemon.settled))

    def _log(self, arguments: Arguments) -> dict[str, Any]:
        """Arguments: pid; lines (default 100). Answer: lines, each with at, stream, level, text."""
        child = self._child(arguments)
        count = _whole(arguments, "lines", default=100, most=10_000)
        return {"lines": [asdict(line) for line in child.ring.last(count)]}

    def _reload(self, arguments: Arguments) -> Later:
        """Arguments: force.

        Answer: changed, a sentence; refused, module path to why it is not served; replayed and not_replayed,
        numbers of open executions.
        """
        return self._daemon.reload(is_forced=bool(arguments.get("force")))

    def _scale(self, arguments: Arguments) -> dict[str, Any]:
        """Arguments: pool, processes."""
        pool = self._pool(arguments)
        before = pool.processes
        pool.processes = _whole(arguments, "processes", default=None, most=MOST_PROCESSES)
        self._daemon.crew.roster.changed = True
        return {"pool": pool.name, "before": before, "processes": pool.processes}

    def _drain(self, arguments: Arguments) -> dict[str, Any]:
        """Arguments: pool; none: all pools."""
        return self._set_drained(arguments, drained=True)

    def _resume(self, arguments: Arguments) -> dict[str, Any]:
        """Arguments: pool; none: all, and the engine. Slots that rest after deaths are tried at once."""
        answer = self._set_drained(arguments, drained=False)
        roster = self._daemon.crew.roster
        rested = answer["pools"] if arguments.get("pool") is not None else roster.pools
        for name in rested:
            roster.rest(name)
        return answer

    def _set_drained(self, arguments: Arguments, *, drained: bool) -> dict[str, Any]:
        crew = self._daemon.crew
        everyone = [pool for pool in crew.roster.pools.values() if pool.name != ENGINE]
        pools = [self._pool(arguments)] if arguments.get("pool") is not None else everyone
        for pool in pools:
            pool.drained = drained
        crew.roster.changed = True
        return {"pools": [pool.name for pool in pools]}

    def _recycle(self, arguments: Arguments) -> dict[str, Any]:
        """Arguments: pid."""
        child = self._child(arguments)
        if child.pool == ENGINE or child.errand:
            raise FlowydError(f"pid {child.pid} is no worker of a pool; only those are recycled")
        if not child.stopping:
            recycle(self._daemon.crew.roster, child)
        return {"pool": child.pool, "pid": child.pid}

    def _dump(self, arguments: Arguments) -> dict[str, Any]:
        """Arguments: pid. The stacks come among its output, which `log` answers."""
        child = self._child(arguments)
        if not child.ready:
            raise FlowydError(f"pid {child.pid} is still starting; a stack dump would end it")
        dump(child)
        return {"pool": child.pool, "pid": child.pid}

    def _events(self, arguments: Arguments) -> dict[str, Any]:
        """Arguments: after (a number, default 0); most (default 200). Answer: events, oldest first."""
        after = _whole(arguments, "after", default=0, most=2**53)
        most = _whole(arguments, "most", default=200, most=10_000)
        return {"events": self._daemon.events.after(after, most)}

    def _quarantine(self, _: Arguments) -> dict[str, Any]:
        """Answer: tasks, each a `QuarantinedTask`."""
        return {"tasks": encode_tasks(self._daemon.crew.quarantine.tasks())}

    def _release(self, arguments: Arguments) -> dict[str, Any]:
        """Arguments: key, or its beginning. The held attempts run in a fresh worker."""
        crew = self._daemon.crew
        suspect = crew.quarantine.release(_text(arguments, "key"))
        crew.run_released(suspect)
        return {"key": suspect.key, "attempts": len(suspect.released)}

    def _fail(self, arguments: Arguments) -> dict[str, Any]:
        """Arguments: key, or its beginning. The held attempts fail now, further ones at once."""
        crew = self._daemon.crew
        suspect = crew.quarantine.fail(_text(arguments, "key"))
        crew.fail_held(suspect)
        return {"key": suspect.key, "attempts": len(suspect.held)}

    def _raise_limit(self, arguments: Arguments) -> dict[str, Any]:
        """Arguments: key, or its beginning; limit. The held attempts run in a fresh worker."""
        crew = self._daemon.crew
        limit = _whole(arguments, "limit", default=None, most=1000)
        suspect = crew.quarantine.raise_limit(_text(arguments, "key"), limit)
        crew.run_released(suspect)
        return {"key": suspect.key, "attempts": len(suspect.released), "limit": limit}

    def _stop(self, _: Arguments) -> dict[str, Any]:
        self._daemon.stop()
        return {}

    def _pool(self, arguments: Arguments) -> PoolState:
        name = arguments.get("pool")
        pools = self._daemon.crew.roster.pools
        if not isinstance(name, str) or name not in pools or name == ENGINE:
            known = ", ".join(known for known in pools if known != ENGINE) or "none"
            raise FlowydError(f"no pool {name!r}; there are: {known}")
        return pools[name]

    def _child(self, arguments: Arguments) -> Child:
        child = self._daemon.crew.roster.children.get(_whole(arguments, "pid", default=None, most=2**22))
        if child is None:
            raise FlowydError(f"no child of the daemon has pid {arguments['pid']}; flowyd workers lists them")
        return child


def _target(arguments: Arguments) -> str:
    """What a change is about: a pool, a worker, a task; empty: the daemon."""
    return next((str(arguments[name]) for name in ("pool", "pid", "key") if name in arguments), "")


def _text(arguments: Arguments, name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise FlowydError(f"{name} must be given as text")
    return value


def _whole(arguments: Arguments, name: str, *, default: int | None, most: int) -> int:
    value = arguments.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise FlowydError(f"{name} must be a whole number from 0 to {most}, not {value!r}")
    return value
