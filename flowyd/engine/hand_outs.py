"""Tasks handed out whose answers may not have been read, so that none of them waits for its timeout.

A turn commits the Started events before its answers leave. An engine that ends in between, or a connection
that breaks under the answer, leaves a started task that nobody runs. Two things bring it back:

- the poll is repeated under the id that its caller gave it (`Call.poll_id`): it is answered with the very
  tasks that it was answered with before, as far as they are still started;
- the server sees that an answer was not read: its tasks are offered to all polls of their list again.

Both must outlive the engine, so the last hand-outs to polls with an id, and what is offered again, are in
the table `hand_out`, written in the transaction of the Started events. The table is a ring: a hand-out takes
the place of the one `PLACES` before it. What was read long ago is still in there and does no harm: nobody
repeats the id of a poll that was answered, and whether the task is still the one handed out is looked at.
A task has one row that counts, the youngest.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, MutableMapping
from itertools import chain
from typing import TypeVar

import msgspec

from flowyd.engine.calls import Call
from flowyd.engine.matching import Task
from flowyd.engine.store import Store
from flowyd.engine.writes import HandOutRow, ListKey

#: Places of the ring. At least the hand-outs of the last turn must fit, so it is more than the pollers of one
#: host; a smaller ring touches fewer pages.
PLACES = 1_024
#: So many hand-outs of one turn may go to polls that have a task already.
_MOST_BESIDES = PLACES // 4
#: Answers of polls that are remembered without a row, in case one turns out not to have been read.
_REMEMBERED = 4_096
#: What stands for a poll without an id that has got what somebody else had; no header can have this value.
_NAMELESS = " "

_Key = TypeVar("_Key")


class HandOut(msgspec.Struct, eq=False, kw_only=True):
    """A task and the poll that got it."""

    key: ListKey
    run_id: str
    task: Task
    #: Empty: the caller gave none, or all polls may have the task.
    poll_id: str
    #: None for those of an earlier engine.
    call: Call | None = None
    #: Its place in the table counts from 0 through all hand-outs; None if it has no row.
    number: int | None = None


class HandOuts:
    """The last hand-outs: those of this turn are staged, and count once the turn is committed."""

    def __init__(self, is_current: Callable[[HandOut], bool]) -> None:
        """`is_current`: whether a task is still as it was handed out."""
        self._is_current = is_current
        #: What each poll was answered with, by call and by id.
        self._by_call: OrderedDict[Call, list[HandOut]] = OrderedDict()
        self._by_id: dict[str, list[HandOut]] = {}
        #: What the table holds, by place.
        self._rows: dict[int, HandOut] = {}
        #: Places that certainly have a row.
        self._on_disk: set[int] = set()
        #: Offered again and not taken yet, by execution and scheduled event.
        self._offered: dict[tuple[int, int], HandOut] = {}
        #: Those of them that the table does not have yet, as the turn that wrote them was void.
        self._unwritten: list[HandOut] = []
        #: The last hand-outs of what was on offer again: somebody else may still give it back.
        self._passed_on: OrderedDict[tuple[int, int], HandOut] = OrderedDict()
        self._staged: list[HandOut] = []
        self._next_number = 0

    def load(self, rows: Iterable[HandOutRow]) -> None:
        """Takes what is in the table, the oldest first; what is remembered by call is the same hand-outs."""
        known = {each.number: each for together in self._by_call.values() for each in together}
        youngest: dict[tuple[int, int], tuple[int, HandOut]] = {}
        for row in rows:
            number, run_id, poll_id, execution_id, scheduled, started, domain_id, kind, task_list, place = row
            task = Task(execution_id=execution_id, scheduled_event_id=scheduled, started_event_id=started)
            handed_out = known.get(number)
            if handed_out is None or handed_out.task != task or handed_out.poll_id != poll_id:
                key = (domain_id, kind, task_list)
                handed_out = HandOut(key=key, run_id=run_id, task=task, poll_id=poll_id, number=number)
            youngest[_identity(task)] = place, handed_out
            self._on_disk.add(place)
            self._next_number = number + 1
        for identity, (place, handed_out) in youngest.items():
            self._rows[place] = handed_out
            if handed_out.poll_id:
                self._by_id.setdefault(handed_out.poll_id, []).append(handed_out)
            else:
                self._offered[identity] = handed_out

    @property
    def has_room(self) -> bool:
        """Whether polls that have a task already may get another one in this turn."""
        return len(self._staged) < _MOST_BESIDES

    def repeated(self, call: Call, key: ListKey) -> list[HandOut]:
        """What the same poll was answered with before and is still to be had; empty: it was not."""
        before = self._by_id.get(call.poll_id)
        if before is None or before[0].key != key:
            return []
        current = [handed_out for handed_out in before if self._is_current(handed_out)]
        if not current:
            # The rows go with time.
            del self._by_id[call.poll_id]
        return current

    def answer_again(self, store: Store, call: Call, again: list[HandOut]) -> list[HandOut]:
        """The repeated poll is answered in place of the one before; the rows stand.

        Returns:
            what is offered to all polls instead, because this one takes fewer tasks than the one before.
        """
        taken, rest = again[: call.most_tasks], again[call.most_tasks :]
        for handed_out in taken:
            if handed_out.call is not None:
                self._by_call.pop(handed_out.call, None)
            handed_out.call = call
        self._by_call[call] = self._by_id[call.poll_id] = taken
        for handed_out in rest:
            self._offer(store, handed_out)
        return rest

    def stage(self, store: Store, call: Call, key: ListKey, run_id: str, task: Task) -> None:
        """Notes a hand-out of this turn, in its transaction."""
        poll_id = call.poll_id
        if self._offered and (before := self._offered.get(_identity(task))) is not None:
            self._drop_row(store, before)
            poll_id = poll_id or _NAMELESS
        handed_out = HandOut(key=key, run_id=run_id, task=task, poll_id=poll_id, call=call)
        if poll_id:
            self._write_row(store, handed_out)
        self._staged.append(handed_out)

    def settle(self) -> None:
        """The turn is committed: what it staged counts."""
        for handed_out in self._staged:
            if self._offered and self._offered.pop(identity := _identity(handed_out.task), None) is not None:
                self._passed_on[identity] = handed_out
            assert handed_out.call is not None
            together = self._by_call.setdefault(handed_out.call, [])
            together.append(handed_out)
            if handed_out.number is not None:
                self._take_place(handed_out, handed_out.number)
                self._by_id[handed_out.poll_id] = together
        self._staged.clear()
        while len(self._by_call) > _REMEMBERED:
            self._by_call.popitem(last=False)
        while len(self._passed_on) > _REMEMBERED:
            self._passed_on.popitem(last=False)

    def without(self, lost: Iterable[Call], rows: Iterable[HandOutRow]) -> HandOuts:
        """What is left after a turn that had no effect, and after lost ones, which had answered these calls.

        The rows are the table's. What came on offer again stays so, also what the lost turns had handed out,
        which `write_offered` tells the table.
        """
        left = HandOuts(self._is_current)
        left._by_call, left._passed_on = self._by_call, self._passed_on
        for call in lost:
            for handed_out in left._by_call.pop(call, ()):
                if left._passed_on.get(identity := _identity(handed_out.task)) is handed_out:
                    self._offered[identity] = left._passed_on.pop(identity)
        left.load(rows)
        in_table = {_identity(row.task): (place, row) for place, row in left._rows.items()}
        for identity, handed_out in self._offered.items():
            if identity in left._offered:
                continue
            handed_out.poll_id, handed_out.call, handed_out.number = "", None, None
            left._offered[identity] = handed_out
            left._unwritten.append(handed_out)
            if identity in in_table:
                # The row of who had it goes.
                place, row = in_table[identity]
                handed_out.number = row.number
                left._rows[place] = handed_out
        for poll_id, together in list(left._by_id.items()):
            kept = [each for each in together if _identity(each.task) not in left._offered]
            if kept:
                left._by_id[poll_id] = kept
            else:
                del left._by_id[poll_id]
        return left

    def offer_again(self, store: Store, call: Call) -> list[HandOut]:
        """The answer was not read: whoever polls next may have its tasks. Empty if it is not known."""
        together = self._by_call.pop(call, [])
        for handed_out in together:
            self._by_id.pop(handed_out.poll_id, None)
            self._offer(store, handed_out)
        return together

    def offer_rest(self, store: Store, call: Call) -> list[HandOut]:
        """The answer was read, but what follows the first task that is still open was not begun."""
        rest = [each for each in self._by_call.get(call, ()) if self._is_current(each)][1:]
        for handed_out in rest:
            self.give_back(store, handed_out)
        return rest

    def give_back(self, store: Store, handed_out: HandOut) -> list[HandOut]:
        """The task was not begun: whoever polls next may have it, unless it has closed. What is offered."""
        if handed_out.call is not None:
            _remove(self._by_call, handed_out.call, handed_out)
        _remove(self._by_id, handed_out.poll_id, handed_out)
        if not self._is_current(handed_out):
            return []
        self._offer(store, handed_out)
        return [handed_out]

    def last(self, poll_id: str, identity: tuple[int, int]) -> HandOut | None:
        """The last hand-out of a task, which may have been to that poll; None: it is not remembered."""
        for handed_out in self._by_id.get(poll_id, ()):
            if _identity(handed_out.task) == identity:
                return handed_out
        # From the youngest on; rare enough to be looked for.
        answered = chain.from_iterable(reversed(self._by_call.values()))
        remembered = chain(reversed(self._staged), answered, self._offered.values(), self._rows.values())
        found = (each for each in remembered if _identity(each.task) == identity)
        return next(found, self._passed_on.get(identity))

    def _offer(self, store: Store, handed_out: HandOut) -> None:
        self._drop_row(store, handed_out)
        handed_out.poll_id, handed_out.call = "", None
        self._write_row(store, handed_out)
        assert handed_out.number is not None
        self._take_place(handed_out, handed_out.number)
        self._offered[_identity(handed_out.task)] = handed_out

    def offered(self) -> list[HandOut]:
        """What is offered again and was not taken yet."""
        return list(self._offered.values())

    def write_offered(self, store: Store) -> None:
        """Tells the table what a void turn had told it in vain."""
        unwritten, self._unwritten = self._unwritten, []
        for handed_out in unwritten:
            if self._offered.get(_identity(handed_out.task)) is handed_out:
                self._offer(store, handed_out)

    def drop(self, store: Store, handed_out: HandOut) -> None:
        """What was offered again is not to be had any more."""
        self._drop_row(store, handed_out)
        self._offered.pop(_identity(handed_out.task), None)

    def _take_place(self, handed_out: HandOut, number: int) -> None:
        before = self._rows.get(number % PLACES)
        if before is not None and before in self._by_id.get(before.poll_id, ()):
            del self._by_id[before.poll_id]
        self._rows[number % PLACES] = handed_out
        self._on_disk.add(number % PLACES)

    def _write_row(self, store: Store, handed_out: HandOut) -> None:
        if self._offered:
            self._pass_by_offered()
        handed_out.number = number = self._next_number
        self._next_number += 1
        task, place = handed_out.task, number % PLACES
        write = store.writes.change_hand_out if place in self._on_disk else store.writes.add_hand_out
        write(
            (
                number,
                handed_out.run_id,
                handed_out.poll_id,
                task.execution_id,
                task.scheduled_event_id,
                task.started_event_id,
                *handed_out.key,
                place,
            )
        )

    def _pass_by_offered(self) -> None:
        """Leaves rows that still wait for a poll where they are, unless they fill half of the table."""
        while len(self._offered) <= PLACES // 2:
            row = self._rows.get(self._next_number % PLACES)
            if row is None or self._offered.get(_identity(row.task)) is not row:
                return
            if not self._is_current(row):
                del self._offered[_identity(row.task)]
                return
            self._next_number += 1

    def _drop_row(self, store: Store, handed_out: HandOut | None) -> None:
        if handed_out is None or handed_out.number is None:
            return
        place = handed_out.number % PLACES
        if self._rows.get(place) is handed_out:
            del self._rows[place]
            self._on_disk.discard(place)
            store.writes.drop_hand_out(place)


def _remove(all_together: MutableMapping[_Key, list[HandOut]], key: _Key, handed_out: HandOut) -> None:
    together = all_together.get(key, [])
    if handed_out in together:
        together.remove(handed_out)
    if not together:
        all_together.pop(key, None)


def _identity(task: Task) -> tuple[int, int]:
    return task.execution_id, task.scheduled_event_id
