"""The service: turns of calls against one database, each one transaction, answered after its commit.

A turn fires the deadlines that are due, carries out the calls in order, carries out what executions asked of
one another, hands tasks to waiting polls, commits once and only then answers. A turn that wrote nothing does
not commit. Polls that find no task wait for a later turn. A description that is wanted once an execution is
closed waits for the turn that closes it. The next turns may go on while one is being written, or before
(`overlap`); answers are held until their turns are durable (`held`), but for tasks of flowyd's own deciders:
what they decide comes to nothing if the turn is lost, and is no sooner durable than it.

When a turn fails, nothing of it has happened, nor of held ones that cannot be made durable: the transaction
is rolled back and memory is made anew from the store. If the store failed (a full disk), calls that change
something get InternalFailure, reads are answered from what is committed, polls go on waiting, and deadlines
pause for a moment. If it was a bug, each call is tried in a turn of its own, so that one bad request harms
nobody else. The module is long because what a turn does and how it is taken back must be read together.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Collection, Sequence
from functools import partial

import msgspec

from flowyd.engine import catalog, handing_out, visibility
from flowyd.engine.agenda import HORIZON_S, Agenda
from flowyd.engine.calls import Answered, Call
from flowyd.engine.clock import Clock
from flowyd.engine.closings import ClosingWait, ClosingWaits
from flowyd.engine.context import Context, Request
from flowyd.engine.dealing import Dealing
from flowyd.engine.errands import Errands
from flowyd.engine.executions import Executions
from flowyd.engine.held import HeldTurn, HeldTurns
from flowyd.engine.histories import history
from flowyd.engine.matching import Matching
from flowyd.engine.operations import OPERATIONS, description
from flowyd.engine.overlap import GATHERING_S, Overlap, When
from flowyd.engine.recording import Recorder
from flowyd.engine.registry import Registry
from flowyd.engine.retention import Retention
from flowyd.engine.rules.deadlines import deadlines, next_deadline
from flowyd.engine.rules.expiry import expire
from flowyd.engine.settings import ServiceSettings
from flowyd.engine.store import CHECKPOINT_S, Store
from flowyd.engine.tokens import TokenCodec
from flowyd.swf.actions import READS
from flowyd.swf.faults import InternalFailure, SwfFault

logger = logging.getLogger(__name__)

#: How long deadlines and retention pause after a turn failed, seconds.
_PAUSE_S = 1.0
#: So many executions are looked at for deadlines in one turn; the rest is due in the next.
_LOOKS_PER_TURN = 200

_encode = msgspec.json.Encoder().encode


def _never() -> bool:
    return False


class Service:
    """SWF over one database; see `flowyd.engine.opening` for how to get one."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        tokens: TokenCodec,
        settings: ServiceSettings,
        on_close: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._tokens = tokens
        self._settings = settings
        self._on_close = on_close
        self._dealing = Dealing(
            store, clock=clock, poll_s=settings.poll_s, most_per_list=settings.quotas.pollers
        )
        self._closings = ClosingWaits()
        self._held = HeldTurns()
        #: Answers of turns that were lost while nobody asked for answers.
        self._overdue: list[Answered] = []
        #: Whether calls wait already that the next turn could begin with, so that this one need not be waited
        #: for; to be set by whoever looks when `fileno` becomes readable.
        self.more_waits: Callable[[], bool] = _never
        self._overlap = Overlap()
        #: How long the last turn's commit took, seconds; None: it had nothing to write.
        self.commit_s: float | None = None
        #: When the database is to have what is owed to it; None: it has everything.
        self._checkpoint_at: float | None = None
        #: When turns that were to be written with the next one are written without; None: there are none.
        self._write_at: float | None = None
        #: Why the store cannot be written, from the failure to the next success; empty: it can.
        self.trouble = ""
        self._paused_until = 0.0
        self._was_paused = False
        #: Whether memory has what a failed turn left there, because the store cannot even be read; and what
        #: answers of lost turns it has.
        self._is_stale = False
        self._lost_answers: list[Call] = []
        #: The execution whose deadlines are being looked at, and those whose deadlines hit a bug.
        self._looking_at: int | None = None
        self._set_aside: set[int] = set()
        self._note_what_is_to_come(clock.now() - CHECKPOINT_S)
        self._build()

    def _build(self) -> None:
        """Makes all memory anew from the store."""
        settings, store = self._settings, self._store
        self._executions = Executions(store, hot_bytes=settings.hot_bytes)
        self._agenda = Agenda()
        registry = Registry(store.connection)
        matching = Matching(store)
        self._recorder = Recorder(
            store=store,
            executions=self._executions,
            matching=matching,
            agenda=self._agenda,
            registry=registry,
            quotas=settings.quotas,
            run_ids=settings.run_ids,
        )
        self._context = Context(
            store=store,
            executions=self._executions,
            matching=matching,
            recorder=self._recorder,
            errands=Errands(executions=self._executions, recorder=self._recorder),
            registry=registry,
            tokens=self._tokens,
            quotas=settings.quotas,
            polls=self._dealing.polls,
            poll_s=settings.poll_s,
        )
        self._retention = Retention(store=store, executions=self._executions, now=self._clock.now())
        self._table: dict[str, Callable[[Request], bytes]] = {
            name: partial(operation, self._context) for name, operation in OPERATIONS.items()
        }
        self._table["GetWorkflowExecutionHistory"] = partial(history, self._context)
        registered = catalog.actions(self._tokens, settings.catalog) | visibility.actions(self._tokens)
        for name, action in registered.items():
            run = self._read_tables if name in READS else self._write_tables
            self._table[name] = partial(run, action)
        self._dealing.deal_from(self._context)

    # What the server calls

    def turn(self, calls: Sequence[Call]) -> list[Answered]:
        """Carries out the calls; what is answered now, calls of earlier turns included."""
        self.commit_s = None
        try:
            if self._is_stale:
                self._rebuild()
            self._attempt(calls)
        except sqlite3.OperationalError as error:
            # The disk is full, slow or gone. Damage of the file is another kind of error, and may lie in
            # what one call or one execution needs: it is treated like a bug below.
            return self._without_store(calls, error)
        except Exception as error:
            logger.exception("A turn of %d requests failed", len(calls), extra={"action": "turn"})
            lost = self._recover()
            self._set_aside_culprit()
            if lost:
                return self._released() + self._answer_without_store([*lost, *calls], error)
            return self._released() + self._one_by_one(calls)
        return self._released()

    def fileno(self) -> int | None:
        """What becomes readable when `durable` has news; None: turns are not held (yet)."""
        return self._store.fileno()

    def durable(self, *, wait: bool = False) -> list[Answered]:
        """What is answered now because its turn is durable by now.

        `wait`: until all are.
        """
        self.commit_s = None
        try:
            if wait:
                self._store.wait()
            else:
                self._store.look()
        except Exception as error:
            # Also a bug: what is held must not be taken for durable later.
            return self._without_store((), error)
        if not self._store.is_writing:
            self._overlap.was_written()
        self._note_what_is_to_come(self._clock.now())
        return self._released()

    def next_wake_at(self) -> float | None:
        """When a turn without calls has something to do, in seconds of the engine's clock."""
        at = min(self._agenda.refill_at, self._retention.due_at)
        if self._checkpoint_at is not None:
            at = min(at, self._checkpoint_at)
        if self._write_at is not None:
            at = min(at, self._write_at)
        next_look = self._agenda.next_at()
        if next_look is not None:
            at = min(at, next_look)
        if self._was_paused:
            at = self._paused_until
        ends = (at, self._dealing.polls.next_end(), self._closings.next_end())
        return min(end for end in ends if end is not None)

    def withdraw(self, call: Call) -> bool:
        """Forgets a call that waits: its caller is gone. False: it does not wait."""
        return self._dealing.polls.remove(call) is not None or self._closings.remove(call)

    def offer_again(self, call: Call) -> None:
        """See `Dealing.offer_again`."""
        self._dealing.offer_again(call)

    def offer_rest(self, call: Call) -> None:
        """See `Dealing.offer_rest`."""
        self._dealing.offer_rest(call)

    def checkpoint(self) -> None:
        """Brings the database's file up to date, if it can be written; for those who read it themselves."""
        try:
            self._store.checkpoint()
        except sqlite3.Error as error:
            answered = self._without_store((), error)
            self._overdue += answered
        self._note_what_is_to_come(self._clock.now())

    def close(self) -> None:
        """Closes the database; calls that wait are not answered."""
        self._on_close()

    # A turn

    def _attempt(self, calls: Sequence[Call]) -> None:
        clock_now = self._clock.now()
        self._recorder.now = round(clock_now, 3)
        answered = self._dealing.end_polls(clock_now)
        if clock_now >= self._paused_until:
            self._resume()
            self._do_what_is_due(clock_now)
        for call in calls:
            result = self._carry_out(call)
            if result is not None:
                answered.append(Answered(call=call, result=result))
                if call.next_poll is not None and not isinstance(result, SwfFault):
                    answered += self._carry_out_next_poll(call.next_poll)
        # Tasks leave first: somebody's work can begin with them; then ends, which somebody waits for.
        answered = self._dealing.deal() + self._tell_of_ends(clock_now) + answered
        self._executions.take_stock()
        early = self._dealing.early(self._store.durable)
        self._commit(answered, early)
        self._note_what_is_to_come(clock_now)
        self._executions.settle()
        self._closings.settle()
        taken, commits = self._dealing.settle(), self._store.committed
        self._held.add(HeldTurn(commits=commits, calls=calls, answered=answered, early=early, taken=taken))

    def _commit(self, answered: Sequence[Answered], early: Collection[Call]) -> None:
        # Who has sent the next poll with a call goes on when that is answered, unless the call was refused.
        is_awaited = any(
            each.call not in early and (each.call.next_poll is None or isinstance(each.result, SwfFault))
            for each in answered
        )
        when = self._overlap.when(
            is_awaited=is_awaited,
            is_early=bool(early),
            is_writing=self._store.is_writing,
            more_waits=self.more_waits,
        )
        self._store.commit(when)
        if when is When.NOW:
            self._overlap.was_waited_for(more_waits=self.more_waits())

    def _released(self) -> list[Answered]:
        overdue, self._overdue = self._overdue, []
        if self._store.record_s is not None:
            self.commit_s, self._store.record_s = self._store.record_s, None
            self.trouble = ""
        return overdue + self._held.release(self._store.durable)

    def _carry_out(self, call: Call) -> bytes | SwfFault | None:
        """The answer, or None if the call waits."""
        try:
            if call.action in handing_out.POLL_KINDS:
                return self._dealing.poll(call)
            if call.waits_for_close and self._waits(call):
                return None
            if call.not_begun and self._take_back(call):
                return b""
            result = self._table[call.action](call.request)
        except SwfFault as fault:
            return fault
        self._context.errands.run()
        return result

    def _take_back(self, call: Call) -> bool:
        """Takes back a task that was not begun; False: nothing is known of it any more, and it may fail."""
        hot, token = self._context.of_token(call.request, "activity")
        return self._dealing.take_back_task(call.not_begun, hot.id, token.scheduled_event_id)

    def _carry_out_next_poll(self, poll: Call) -> list[Answered]:
        result: bytes | SwfFault | None
        try:
            result = self._dealing.poll(poll, follows=self._store.committed + 1)
        except SwfFault as fault:
            result = fault
        return [] if result is None else [Answered(call=poll, result=result)]

    def _waits(self, call: Call) -> bool:
        """Lets a call wait for the end of the execution it names, unless that is closed."""
        hot = self._context.named_run(call.request)
        if hot.state.is_open:
            ends_at = self._clock.now() + self._settings.poll_s
            self._closings.add(ClosingWait(call=call, execution_id=hot.id, ends_at=ends_at))
        return hot.state.is_open

    def _tell_of_ends(self, now: float) -> list[Answered]:
        """Notes what closed, and answers those who waited for it and those who waited long enough."""
        closed = self._recorder.closed
        if closed:
            self._retention.note_close(now)
        answered = []
        for wait in self._closings.stage(closed, now):
            hot = self._executions.get(wait.execution_id)
            assert hot is not None, "it was open before this turn"
            answered.append(Answered(call=wait.call, result=description(hot)))
        closed.clear()
        return answered

    def _note_what_is_to_come(self, now: float) -> None:
        if not self._store.owed_turns:
            self._checkpoint_at = None
        elif self._checkpoint_at is None:
            self._checkpoint_at = now + CHECKPOINT_S
        if not self._store.is_gathering:
            self._write_at = None
        elif self._write_at is None:
            self._write_at = now + GATHERING_S

    def _do_what_is_due(self, now: float) -> None:
        if self._write_at is not None and now >= self._write_at:
            self._store.write_gathered()
        if self._checkpoint_at is not None and now >= self._checkpoint_at:
            self._store.checkpoint()
            # What this turn writes is owed anew.
            self._checkpoint_at = None
            self.trouble = ""
        self._store.take_over()
        if now >= self._agenda.refill_at:
            horizon_at = now + HORIZON_S
            self._agenda.refill(self._store.due_until(horizon_at), horizon_at=horizon_at)
        self._fire_deadlines(now)
        if now >= self._retention.due_at:
            self._retention.step(now)

    def _fire_deadlines(self, now: float) -> None:
        """Fires what has run out, in the order of the times, a limited number of executions per turn."""
        for _ in range(_LOOKS_PER_TURN):
            execution_id = self._agenda.take_due(now)
            if execution_id is None:
                return
            if execution_id in self._set_aside:
                continue
            self._looking_at = execution_id
            next_at = self._agenda.next_at()
            self._look_at(execution_id, now if next_at is None else min(now, next_at))
            self._looking_at = None

    def _look_at(self, execution_id: int, until: float) -> None:
        hot = self._executions.get(execution_id)
        if hot is None or not hot.state.is_open:
            return
        for deadline in deadlines(hot.state):
            if deadline.at > until:
                break
            self._recorder.change(hot, partial(expire, deadline=deadline))
            self._context.errands.run()
        next_at = next_deadline(hot.state)
        if next_at is not None:
            self._recorder.rearm(hot, next_at)

    def _read_tables(self, action: catalog.Action, request: Request) -> bytes:
        self._store.flush()
        answer = action(self._store.connection, request, self._recorder.now)
        return b"" if answer is None else _encode(answer)

    def _write_tables(self, action: catalog.Action, request: Request) -> bytes:
        self._store.begin()
        answer = action(self._store.connection, request, self._recorder.now)
        self._context.registry.changed()
        self._retention.due_at = self._clock.now()
        return b"" if answer is None else _encode(answer)

    # When a turn fails

    def _note_trouble(self, error: Exception) -> None:
        self.trouble = f"the database cannot be written: {error}; reads are answered, nothing is lost"

    def _without_store(self, calls: Sequence[Call], error: Exception) -> list[Answered]:
        """Takes back what could not be written, and answers its calls."""
        calls = [*self._recover(), *calls]
        logger.error(
            "The store failed, %d requests had no effect: %s", len(calls), error, extra={"action": "turn"}
        )
        released = self._released()
        self._note_trouble(error)
        return released + self._answer_without_store(calls, error)

    def _recover(self) -> Sequence[Call]:
        """Takes back the turn and pauses what nobody asked for; the calls of earlier turns that are lost."""
        self._store.rollback()
        self._overdue += self._held.release(self._store.durable)
        lost = self._held.lose()
        self._lost_answers += lost.answered
        self._dealing.take_back(lost.taken)
        self._paused_until = self._clock.now() + _PAUSE_S
        self._was_paused = True
        if not self._is_stale:
            self._is_stale = True
            try:
                self._rebuild()
            except sqlite3.Error:
                # As with a database that another process has locked. The next turn tries again.
                self._store.rollback()
        return lost.unanswered

    def _rebuild(self) -> None:
        """Makes all memory anew after a failure.

        Raises:
            sqlite3.Error: the store cannot be read.
        """
        self._dealing.forget(self._lost_answers)
        self._lost_answers = []
        self._build()
        self._is_stale = False

    def _resume(self) -> None:
        if self._was_paused:
            self._was_paused = False
            self._dealing.look_everywhere()

    def _set_aside_culprit(self) -> None:
        if self._looking_at is not None:
            logger.error(
                "Deadlines of execution %d are set aside until the next start",
                self._looking_at,
                extra={"action": "deadline"},
            )
            self._set_aside.add(self._looking_at)
            self._looking_at = None

    def _answer_without_store(self, calls: Sequence[Call], error: Exception) -> list[Answered]:
        """Reads from what is committed; faults for the rest; polls of earlier turns wait again."""
        fault = InternalFailure(f"The engine cannot write its database: {error}. The request had no effect")
        self._closings.take_back()
        self._dealing.wait_again(calls)
        answered = []
        for call in calls:
            self.withdraw(call.next_poll or call)
            if call.action in READS:
                result = self._read_again(call, fault)
                if result is not None:
                    answered.append(Answered(call=call, result=result))
            else:
                answered.append(Answered(call=call, result=fault))
        return answered

    def _read_again(self, call: Call, fault: SwfFault) -> bytes | SwfFault | None:
        if self._is_stale:
            return fault
        self._recorder.now = round(self._clock.now(), 3)
        try:
            return self._carry_out(call)
        except sqlite3.Error:
            return fault

    def _one_by_one(self, calls: Sequence[Call]) -> list[Answered]:
        """Each call in its own turn, so that only the one that fails is refused.

        Those who were to be told of an end are among them: what could not be told may be the very fault.
        """
        told = [call for call in self._closings.take_back() if call not in calls]
        for call in [*calls, *told]:
            self.withdraw(call.next_poll or call)
        self._dealing.wait_again(calls)
        if len(calls) <= 1 and not told:
            fault = InternalFailure("The engine failed to carry out the request, which had no effect")
            return [Answered(call=call, result=fault) for call in calls]
        return [answered for call in [*calls, *told] for answered in self.turn([call])]
