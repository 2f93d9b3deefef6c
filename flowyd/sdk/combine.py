"""Result objects of several calls together: wait, first, finish_order, gather, parallel_reduce.

Arguments are result objects or iterables of them; a plain value counts as finished from the start. Order
is the order in which the history says they finished, so a replay finds the same one first.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from flowyd.errors import ProgramError
from flowyd.sdk.failures import SuspendTask
from flowyd.sdk.placeholder import Error, Placeholder, Result, ResultObject, Watcher

T = TypeVar("T")

_NOTHING: Any = object()


def _objects(results: Iterable[Any]) -> list[ResultObject[Any]]:
    found: list[ResultObject[Any]] = []
    for item in results:
        if isinstance(item, ResultObject):
            found.append(item)
        elif isinstance(item, Iterable) and not isinstance(item, (str, bytes, dict)):
            found.extend(_objects(item))
        elif hasattr(item, "__await__"):
            raise ProgramError("coroutines cannot be combined, only result objects of calls, timers, signals")
        else:
            found.append(Result(item))
    return found


def _watcher(results: Iterable[ResultObject[Any]]) -> Watcher | None:
    return next((result.watcher for result in results if result.watcher is not None), None)


def _order(result: ResultObject[Any]) -> int:
    return result.order or 0


def _unfinished(results: Iterable[ResultObject[Any]]) -> list[ResultObject[Any]]:
    return [result for result in results if result.order is None]


def _learn(result: ResultObject[Any]) -> None:
    if result.watcher is not None:
        result.watcher.learn(_order(result))


def _suspend(unfinished: list[ResultObject[Any]], *, together: bool = False) -> None:
    watcher = _watcher(unfinished)
    if watcher is None:
        raise SuspendTask
    watcher.suspend(unfinished, together=together)


def _follow(unfinished: ResultObject[Any], again: Callable[[], ResultObject[Any]] | None) -> None:
    if unfinished.watcher is not None and unfinished.order is None:
        unfinished.watcher.follow(unfinished, again)


def wait(*results: Any) -> None:
    """Goes on when all are finished, well or not; raises none of their errors."""
    objects = _objects(results)
    while unfinished := _unfinished(objects):
        _suspend(unfinished, together=True)
    for result in sorted(objects, key=_order):
        _learn(result)


def first(*results: Any) -> ResultObject[Any]:
    """The one that finished first, as soon as there is one; compare it with `is`.

    Raises:
        ValueError: there are none to wait for.
    """
    return next(finish_order(*results))


def finish_order(*results: Any) -> Iterator[ResultObject[Any]]:
    """Each of them, in the order they finish; waits where the next one is not finished.

    Raises:
        ValueError: there are none.
    """
    objects = _objects(results)
    if not objects:
        raise ValueError("there is nothing to wait for: no result objects were given")
    return _finish_order(objects)


def _finish_order(left: list[ResultObject[Any]]) -> Iterator[ResultObject[Any]]:
    while left:
        finished = sorted((result for result in left if result.order is not None), key=_order)
        if not finished:
            _suspend(left)
            continue
        left = _unfinished(left)
        for result in finished:
            _learn(result)
            yield result


def gather(*results: Any) -> ResultObject[list[Any]]:
    """One result object for the list of all values; an Error as soon as one of them is."""
    objects = _objects(results)
    together = _gather(objects)
    _follow(together, lambda: _gather(objects))
    return together


def _gather(objects: list[ResultObject[Any]]) -> ResultObject[list[Any]]:
    watcher = _watcher(objects)
    call = (
        f"gather({', '.join(result.call or 'a value' for result in objects[:3])}{', …' * (len(objects) > 3)})"
    )
    errors = [result for result in objects if isinstance(result, Error)]
    if errors:
        earliest = min(errors, key=_order)
        return Error(earliest.exception, call=earliest.call, order=_order(earliest), watcher=watcher)
    if unfinished := _unfinished(objects):
        return Placeholder(call=call, watcher=watcher, waiting_for=unfinished)
    values = [result.peek() for result in objects if isinstance(result, Result)]
    return Result(values, call=call, order=max(map(_order, objects), default=0), watcher=watcher)


def parallel_reduce(
    function: Callable[[Any, Any], Any], iterable: Iterable[Any], initializer: Any = _NOTHING
) -> ResultObject[Any]:
    """The reduction of all values by a proxy that is associative and commutative.

    `function` is called as soon as any two values are there; it gets result objects and may be a proxy or
    a function of result objects. Of n values it makes n - 1 calls here and now, so that the calls after
    this one keep their numbers; those whose values are not there yet are made with placeholders, and wait.

    Raises:
        ValueError: nothing to reduce and no initializer.
    """
    objects = _objects(iterable) + ([] if initializer is _NOTHING else _objects([initializer]))
    if not objects:
        raise ValueError("parallel_reduce() of nothing needs an initializer")
    heap = [(_order(one), number, one) for number, one in enumerate(objects) if one.order is not None]
    heapq.heapify(heap)
    pending = _unfinished(objects)
    for number in range(len(objects), 2 * len(objects) - 1):
        if len(heap) < 2:
            missing: Placeholder[Any] = _reduction(objects, pending)
            function(missing, missing)
            continue
        earlier, later = heapq.heappop(heap), heapq.heappop(heap)
        merged = function(earlier[2], later[2])
        if not isinstance(merged, ResultObject):
            merged = Result(merged, order=later[0], watcher=_watcher(objects))
        if merged.order is None:
            pending.append(merged)
        else:
            heapq.heappush(heap, (max(merged.order, later[0]), number, merged))
    return _reduction(objects, pending) if pending else heap[0][2]


def _reduction(objects: list[ResultObject[Any]], pending: list[ResultObject[Any]]) -> Placeholder[Any]:
    """What stands for values that are not there yet; which calls have which is seen from the top only."""
    unfinished: Placeholder[Any] = Placeholder(
        call="parallel_reduce()", watcher=_watcher([*objects, *pending]), waiting_for=pending
    )
    _follow(unfinished, None)
    return unfinished
