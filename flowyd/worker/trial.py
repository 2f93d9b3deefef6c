"""One try of a candidate: all its modules imported and checked, in a process that is thrown away.

What it finds goes line by line through a pipe, so that whatever ends the process can be blamed on what it was
doing then. The time limit writes the stacks into the same pipe (faulthandler).
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import resource
import select
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path

from flowyd.config.records import PoolKind
from flowyd.decider import ReplayFilter
from flowyd.errors import FlowydError
from flowyd.sdk.registry import (
    ActivityRegistration,
    WorkflowRegistration,
    activities_in,
    workflows_in,
)
from flowyd.swf.client import Answer, Request, SwfClient
from flowyd.worker.loading import load_units
from flowyd.worker.payloads import use_storage
from flowyd.worker.registration import activity_drift, workflow_drift
from flowyd.worker.replay_gate import REPLAY_S, Replays, first_divergence
from flowyd.worker.service import client_of
from flowyd.worker.spec import ServiceSpec
from flowyd.worker.units import Modules

#: Long enough for libraries that take their time to be imported.
LIMIT_S = 25.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What to try."""

    kind: PoolKind
    service: ServiceSpec
    modules: Modules
    #: Paths of the units that are new or changed, or import such.
    touched: frozenset[str]
    #: Whether open executions are replayed.
    replay: bool
    #: Called in the trial's process before anything is imported, to be who the workers are.
    become: Callable[[], object] = lambda: None
    #: A candidate that is not through by then hangs, seconds.
    limit_s: float = LIMIT_S


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFound:
    """What came of it."""

    #: Path to what is wrong.
    broken: dict[str, str]
    #: Set if the service could not be asked, so that not all was checked.
    away: str = ""
    replays: Replays = field(default_factory=Replays)


def hold_trial(trial: Trial) -> TrialFound:
    """Tries the candidate in a child process of the caller's process group."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _be_tried(trial, reader, writer)
    os.close(writer)
    try:
        said = _hear(reader, pid)
    finally:
        os.close(reader)
    _, status = os.waitpid(pid, 0)
    return _read(said.decode(errors="replace"), os.waitstatus_to_exitcode(status), trial.limit_s)


def _hear(reader: int, pid: int) -> bytes:
    """All that comes until the child is gone; something it left behind may hold the pipe open."""
    said = b""
    ended = os.pidfd_open(pid)
    try:
        while True:
            readable, _, _ = select.select([reader, ended], [], [])
            chunk = os.read(reader, 65_536) if reader in readable else b""
            if not chunk:
                return said
            said += chunk
    finally:
        os.close(ended)


def _read(said: str, code: int, limit_s: float) -> TrialFound:
    broken: dict[str, str] = {}
    away, replays, at, asking, rest, is_through = "", Replays(), "", "", [], False
    for line in said.splitlines():
        try:
            members = json.loads(line)
            broken.update(members.get("broken", {}))
            away, at = members.get("away", away), members.get("at", at)
            asking = members.get("asking", asking)
            replays += Replays(**members.get("replays", {}))
            is_through = members.get("through", is_through)
        except (ValueError, TypeError, AttributeError):
            rest.append(line)
    if not is_through and asking:
        return TrialFound(broken=broken, away=f"{asking} was not answered within {limit_s:g} s")
    if not is_through and at:
        how = (
            f"ended its process by signal {-code}" if code < 0 else f"ended its process with exit code {code}"
        )
        if rest:
            how = f"was not through after {limit_s:g} s"
        broken.setdefault(at, "\n".join([*rest, f"it {how} when it was tried"]))
    return TrialFound(broken=broken, away=away, replays=replays)


def _be_tried(trial: Trial, reader: int, writer: int) -> None:
    """The child: never returns."""
    code = 1
    try:
        os.close(reader)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (int(trial.limit_s) + 1, int(trial.limit_s) + 2))
        faulthandler.dump_traceback_later(trial.limit_s, exit=True, file=writer)
        trial.become()
        voice = _Voice(writer)
        _try(trial, voice)
        voice.say(through=True)
        code = 0
    except BaseException as error:
        logging.getLogger(__name__).exception("trying modules ended early: %s", error)
    finally:
        os._exit(code)


class _Voice:
    """Lines of JSON through the pipe."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def say(self, **members: object) -> None:
        """One line, whole and at once."""
        line = json.dumps(members).encode() + b"\n"
        while line:
            line = line[os.write(self._fd, line) :]


class _Asking:
    """The client, saying which question is open: its silence is not the module's fault."""

    def __init__(self, client: SwfClient, voice: _Voice) -> None:
        self._client = client
        self._voice = voice

    def call(self, action: str, request: Request) -> Answer:
        """See `SwfClient.call`."""
        self._voice.say(asking=action)
        try:
            return self._client.call(action, request)
        finally:
            self._voice.say(asking="")

    def close(self) -> None:
        """See `SwfClient.close`."""
        self._client.close()


def _try(trial: Trial, voice: _Voice) -> None:
    use_storage(trial.service.payloads)
    loaded = load_units(trial.modules, begin=lambda path: voice.say(at=path))
    voice.say(broken=loaded.broken)
    found = {
        path: tuple(
            registration
            for module in modules
            for registration in (
                activities_in(module) if trial.kind is PoolKind.ACTIVITY else workflows_in(module)
            )
        )
        for path, modules in loaded.modules.items()
    }
    empty = [
        path
        for path, modules in loaded.modules.items()
        if path in trial.touched and not any(activities_in(m) or workflows_in(m) for m in modules)
    ]
    voice.say(broken={path: _nothing_registered(path) for path in empty})
    voice.say(broken=_doubles(found, trial.touched))
    client = _Asking(client_of(trial.service), voice)
    try:
        for path in sorted(trial.touched & (found.keys() - set(empty))):
            _check(trial, client, path, found[path], voice)
    except FlowydError as error:
        voice.say(away=str(error))


def _nothing_registered(path: str) -> str:
    hint = Path(path).with_name(f"_{Path(path).name}").name
    return f"it registers no activity and no workflow; what only others import is named {hint}"


def _doubles(
    found: dict[str, tuple[ActivityRegistration | WorkflowRegistration, ...]], touched: Collection[str]
) -> dict[str, str]:
    """Changed modules that define a type which another module defines already."""
    homes: dict[tuple[str, str], tuple[str, object]] = {}
    doubles = {}
    for path in sorted(found, key=lambda path: (path in touched, path)):
        for registration in found[path]:
            key = (registration.name, registration.version)
            home, factory = homes.setdefault(key, (path, registration.factory))
            if factory is not registration.factory and path in touched:
                doubles[path] = f"{' '.join(key)} is defined in {home} already"
    return doubles


def _check(
    trial: Trial,
    client: SwfClient,
    path: str,
    registrations: tuple[ActivityRegistration | WorkflowRegistration, ...],
    voice: _Voice,
) -> None:
    """Drift from registered defaults, and open executions that could not go on."""
    domain = trial.service.domain
    voice.say(at=path)
    until = time.monotonic() + REPLAY_S
    for handler in logging.getLogger().handlers:
        handler.addFilter(ReplayFilter())
    for registration in registrations:
        if isinstance(registration, ActivityRegistration):
            why = activity_drift(client, domain, registration)
        else:
            why = workflow_drift(client, domain, registration)
            if why is None and trial.replay:
                why, replays = first_divergence(client, domain, registration, until=until)
                voice.say(replays=asdict(replays))
        if why is not None:
            voice.say(broken={path: why})
            return
