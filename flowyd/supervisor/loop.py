"""The supervisor's loop: one thread, one select, and between two of them everything that is due.

Signals arrive as bytes on a pipe, children's output and reports on theirs, control requests on a socket;
whatever came, the loop then compares wanted with present. It sleeps until the next event or deadline, so
an idle daemon costs nothing; a busy one takes many reports at once (`gathering`).
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from types import FrameType

from flowyd.config.load import load
from flowyd.config.records import Config
from flowyd.control.protocol import ControlAnswer
from flowyd.errors import ConfigError, FlowydError
from flowyd.supervisor.access import Access, open_doors
from flowyd.supervisor.commands import Commands
from flowyd.supervisor.control_server import ControlServer, Later
from flowyd.supervisor.crew import Crew
from flowyd.supervisor.events import EventRing
from flowyd.supervisor.health import Health, Verdict
from flowyd.supervisor.modules import ModuleKeeper, Reload
from flowyd.supervisor.notify import Notifier
from flowyd.supervisor.picture import summary
from flowyd.supervisor.plan import Ending, end_within_s
from flowyd.supervisor.pools import ENGINE, PoolState, pools_of
from flowyd.supervisor.reloading import difference, needs_restart
from flowyd.worker.replay_gate import Replays

logger = logging.getLogger(__name__)

#: A pool that does not come up keeps READY=1 back for so long, then the daemon is ready without it.
READY_WITHIN_S = 20.0

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class Supervisor:
    """The running daemon."""

    def __init__(
        self,
        config: Config,
        *,
        engine_sockets: list[socket.socket],
        control_socket: socket.socket,
        notifier: Notifier,
        access: Access,
    ) -> None:
        self.started_at = time.time()
        self.settled = False
        self.events = EventRing()
        self.access = access
        self._config = config
        self._notifier = notifier
        self._selector = selectors.DefaultSelector()
        self.crew = Crew(
            config,
            pools=pools_of(config, with_engine=bool(engine_sockets)),
            engine_sockets=engine_sockets,
            selector=self._selector,
        )
        self._control = ControlServer(
            control_socket,
            self._selector,
            answer=Commands(self).answer,
            role_of=lambda uid, groups: self.access.role_of(uid, groups),
        )
        self._health = Health(
            engine_socket=config.flowyd.engine_socket if engine_sockets else None,
            notifier=notifier,
            selector=self._selector,
        )
        self.modules = ModuleKeeper(config, crew=self.crew, selector=self._selector)
        self._status_sent = ""
        #: When the stop that is under way is over at the latest (CLOCK_MONOTONIC).
        self._stopped_by = 0.0
        #: Reloads whose answer waits for the new workers, with the part of it that is known.
        self._reloads: list[tuple[Later, dict[str, object]]] = []
        self._unsettled_since = time.monotonic()

    def run(self) -> int:
        """Serves until it was told to stop and every child is gone; the exit code."""
        logging.getLogger("flowyd.supervisor").addHandler(self.events)
        self.modules.open()
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._install_signals(reader, writer)
        self._control.open()
        while self.crew.roster.ending is Ending.NO or self.crew.roster.children:
            ready = self._selector.select(self._patience_s())
            self.crew.reports.read()
            for key, events in ready:
                serve: Callable[[int], object] = key.data
                # An earlier callback of this round may have closed the descriptor, or used its number anew.
                if self._selector.get_map().get(key.fileobj) is key:
                    serve(events)
            self._turn(time.monotonic())
        self.modules.close()
        self._health.close()
        self._control.close()
        self.crew.estates.close()
        logger.info("the stop: %s", self.crew.fates.stop_report(), extra={"action": "stop"})
        logger.info("all children are gone; good bye", extra={"action": "stopped"})
        return 0

    def stop(self) -> None:
        """Begins the orderly end; a second time: the end at once."""
        crew = self.crew
        crew.roster.changed = True
        if crew.roster.ending is not Ending.NO:
            crew.roster.ending = Ending.AT_ONCE
            crew.fates.stopping_at_once()
            logger.warning("told to stop again: workers are killed", extra={"action": "stop"})
            return
        crew.roster.ending = Ending.ORDERLY
        crew.stop_begins()
        for child in crew.roster.children.values():
            if child.task is not None:
                logger.info(
                    "waiting for %s[%d]: %s of %s",
                    child.pool,
                    child.pid,
                    child.task.type_name,
                    child.task.workflow_id,
                    extra={"action": "stop", "workflow_id": child.task.workflow_id},
                )
        longest = end_within_s(*crew.roster.picture())
        logger.info("stopping", extra={"action": "stop"})
        if out := _polls_out(crew):
            logger.info(
                "waiting for the polls of %d workers, up to a minute: Amazon SWF cannot take them back",
                out,
                extra={"action": "stop"},
            )
        self._stopped_by = time.monotonic() + longest + 10
        self._notifier.stopping("stopping: " + summary(crew), extend_s=longest + 10)

    def reload(self, *, is_forced: bool) -> Later:
        """Loads the configuration again, has the modules tried, then applies the difference.

        The answer comes when new workers have taken their places: see `Commands`.

        Raises:
            FlowydError: the daemon stops, or the change needs a restart; ConfigError: it is wrong.
        """
        if self.crew.roster.ending is not Ending.NO:
            raise FlowydError("the daemon is stopping")
        try:
            new = load(self._config.file)
        except ConfigError as error:
            for problem in error.problems:
                logger.error("reload refused: %s", problem, extra={"action": "reload"})
            raise
        refusals = needs_restart(self._config, new)
        if refusals:
            for refusal in refusals:
                logger.error("reload refused: %s", refusal, extra={"action": "reload"})
            raise FlowydError("\n".join(refusals))
        later = Later()
        generations = {name: pool.generation for name, pool in self.crew.roster.pools.items()}

        def done(failure: str | None, replays: Replays) -> None:
            if failure is not None:
                logger.error("reload refused: %s", failure, extra={"action": "reload"})
                later.settle(ControlAnswer(error=failure))
                return
            self._reloads.append((later, {"changed": self._apply(new, generations), **asdict(replays)}))

        self.modules.begin_reload(Reload(config=new, is_forced=is_forced, done=done))
        return later

    def _apply(self, new: Config, generations: dict[str, int]) -> str:
        """Applies the difference; what it was. `generations`: those of the pools before the reload."""
        self.access = open_doors(new)
        self.modules.take_config(new)
        change = difference(self._config, new)
        pools = self.crew.roster.pools
        for pool in new.pools:
            if pool.name in change.added:
                pools[pool.name] = PoolState(config=pool, processes=pool.processes)
                self.modules.equip(pools[pool.name])
            elif pool.name in change.renewed:
                pools[pool.name].renew(pool)
            elif pool.name in change.adjusted:
                pools[pool.name].adjust(pool)
            self.crew.roster.rest(pool.name)
        for name in change.removed:
            del pools[name]
        self._config = self.crew.config = new
        self.crew.roster.changed = True
        self.settled, self._unsettled_since = False, time.monotonic()
        logging.getLogger().setLevel(new.flowyd.log_level.upper())
        others = tuple(
            name
            for name, before in generations.items()
            if name in pools and name not in change.renewed and pools[name].generation != before
        )
        sentence = replace(change, renewed=change.renewed + others).sentence()
        logger.info("reload: %s", sentence, extra={"action": "reload"})
        return sentence

    # One turn.

    def _patience_s(self) -> float | None:
        now = time.monotonic()
        moments = [self.crew.next_look_at(now), self._control.next_drop_at(), self._health.next_at()]
        moments += [self.modules.next_at(), self.crew.reports.next_at()]
        if not self.settled:
            moments.append(self._unsettled_since + READY_WITHIN_S)
        due = [moment for moment in moments if moment is not None]
        return max(0.0, min(due) - now) if due else None

    def _turn(self, now: float) -> None:
        # Without waiting for SIGCHLD, so that a lost one costs no more than the time to the next look.
        self.crew.burials.reap()
        self.crew.reports.look(now)
        self.modules.act(now)
        self.crew.act(now)
        self._control.drop_silent(now)
        engine = next((child for child in self.crew.roster.members(ENGINE) if not child.stopping), None)
        if (
            self._health.look(now, engine_serves=engine is not None and engine.ready) is Verdict.HUNG
            and engine
        ):
            logger.error("the engine does not answer and is replaced", extra={"action": "engine"})
            engine.hung = self.crew.roster.changed = True
            self.crew.act(now)
        self._tell_manager(now)

    def _answer_reloads(self) -> None:
        """Tells those who asked for a reload what came of it."""
        reloads, self._reloads = self._reloads, []
        for later, known in reloads:
            refused = self.modules.refused()
            for pool in self.crew.roster.pools.values():
                refused.update(pool.refused_modules)
            later.settle(ControlAnswer(answer={**known, "refused": refused}))

    def _tell_manager(self, now: float) -> None:
        if self.crew.roster.ending is not Ending.NO:
            self._answer_reloads()
            self._tell_of_stop(now)
            return
        if not self.settled and (self.crew.roster.settled() or now >= self._unsettled_since + READY_WITHIN_S):
            self.settled = True
            self._status_sent = summary(self.crew)
            self._notifier.ready(self._status_sent)
            logger.info("ready: %s", self._status_sent, extra={"action": "ready"})
            self._answer_reloads()
        elif self.settled and self._notifier.listens and summary(self.crew) != self._status_sent:
            self._status_sent = summary(self.crew)
            self._notifier.send(f"STATUS={self._status_sent}")

    def _tell_of_stop(self, now: float) -> None:
        """Says what the stop still waits for, and that it may take its time."""
        children = self.crew.roster.children.values()
        status = f"stopping: {self.crew.fates.tasks_left} tasks in flight, {len(children)} processes left"
        if out := _polls_out(self.crew):
            status += f", {out} with a poll out at Amazon SWF"
        if status != self._status_sent and children:
            self._status_sent = status
            self._notifier.stopping(status, extend_s=max(1.0, self._stopped_by - now))

    # Signals.

    def _install_signals(self, reader: int, writer: int) -> None:
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, _only_wake)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        self._selector.register(
            reader, selectors.EVENT_READ, lambda _: self._signals_came(os.read(reader, 4096))
        )

    def _signals_came(self, numbers: bytes) -> None:
        if signal.SIGCHLD in numbers:
            self.crew.burials.reap()
        if signal.SIGHUP in numbers:
            self._reload_on_signal()
        for number in numbers:
            if number in (signal.SIGTERM, signal.SIGINT):
                self.stop()

    def _reload_on_signal(self) -> None:
        self._notifier.reloading()
        try:
            self.reload(is_forced=False).then(self._reloaded)
        except FlowydError as error:
            self._reloaded(ControlAnswer(error=str(error)))

    def _reloaded(self, answer: ControlAnswer) -> None:
        """Each problem is in the log already. READY ends the reload for the manager, whatever came of it."""
        if answer.error is not None:
            logger.error("the running configuration stays", extra={"action": "reload"})
            self._notifier.ready(f"reload refused: {answer.error.splitlines()[0]}")


def _polls_out(crew: Crew) -> int:
    """How many workers may have a poll out that cannot be taken back."""
    return sum(child.seen().poll_wait_s > 0 for child in crew.roster.children.values())


def _only_wake(_number: int, _frame: FrameType | None) -> None:
    """The wake-up descriptor has told the loop already."""
