"""The four result objects of a call, and what they refuse.

Placeholder: no result yet. Result: a value. Error: failed. Timeout: failed by running out of time. Which
one a call returns depends on how far the execution is, so all four behave alike in every way but
`.result()`: used as the value itself each raises PlaceholderError, finished or not.

Code that is kept between decisions holds Placeholders of an earlier one; `become` turns such an object into
what its call has come to. Therefore all four have the same slots.

`order` is the id of the event that finished the call; a Watcher learns of every order the code has seen,
which is how a replay knows at which earlier decision the code stood at the same place.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, ClassVar, Generic, NoReturn, Protocol, TypeVar, cast

from flowyd.sdk.failures import PayloadError, PlaceholderError, SuspendTask, TaskError, TaskTimedout

T = TypeVar("T", covariant=True)


class Watcher(Protocol):
    """Whoever runs the workflow, as result objects see it."""

    def learn(self, order: int) -> None:
        """The code gets to know what event `order` brought; may raise CancelRequested instead."""
        ...

    def suspend(self, waiting_for: Sequence[ResultObject[Any]], *, together: bool = False) -> None:
        """The code can go no further before one of these is finished; returns when one may be, or never.

        `together`: not before all are finished.
        """
        ...

    def follow(self, unfinished: ResultObject[Any], again: Callable[[], ResultObject[Any]] | None) -> None:
        """Has this object become what `again` answers, at each decision until it is finished.

        None: it cannot be asked again; only a run from the top finds out.
        """
        ...

    def cancel(self, target: ResultObject[Any]) -> None:
        """Asks for the cancellation of what an unfinished result object stands for."""
        ...


class ResultObject(Generic[T]):
    """What every call of a proxy, timer or signal returns."""

    #: The slots that objects of the class use.
    _used: ClassVar[tuple[str, ...]] = ("call", "order", "target", "watcher")

    __slots__ = (
        "_decode",
        "_text",
        "_value",
        "call",
        "exception",
        "order",
        "target",
        "waiting_for",
        "watcher",
    )

    def __init__(
        self,
        *,
        call: str = "",
        order: int | None = 0,
        watcher: Watcher | None = None,
        target: Any = None,
    ) -> None:
        #: Which call this is, for messages: `resize-0 (resize 1)`.
        self.call = call
        #: Id of the event that finished it; 0: known from the start; None: not finished.
        self.order = order
        self.watcher = watcher
        #: What the watcher cancels, if this can be canceled.
        self.target = target

    def result(self) -> T:
        """The value. Ends the run for now if there is none yet.

        Raises:
            TaskError: the task failed; TaskTimedout, TaskCanceled, TaskTerminated, TaskRefused say how.
        """
        raise NotImplementedError

    def become(self, answer: ResultObject[Any]) -> None:
        """Turns this object, wherever the code holds it, into the answer."""
        self.__class__ = answer.__class__  # they differ in methods only
        for name in answer._used:
            setattr(self, name, getattr(answer, name))

    def cancel(self) -> None:
        """Asks to cancel the task or timer if it is still open; its result is then TaskCanceled."""
        if self.watcher is not None and self.order is None:
            self.watcher.cancel(self)

    def __await__(self) -> Generator[Any, None, T]:
        return self.result()
        yield  # never reached; makes this a generator, as `await` demands

    def _learn(self) -> None:
        if self.watcher is not None and self.order is not None:
            self.watcher.learn(self.order)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.call}>" if self.call else f"<{type(self).__name__}>"

    def __hash__(self) -> int:
        return id(self)

    def __deepcopy__(self, _: object) -> ResultObject[T]:
        return self  # a copy of arguments stands for the same calls

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ResultObject):
            return self is other
        return refuse(self, "compared")

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(f"{_named(self)} has no attribute {name!r}; {_ADVICE}")


_ADVICE = "it stands for a value that may not be there yet: use .result()"


def _named(result: ResultObject[Any]) -> str:
    return f"the result object of {result.call or 'a call'}"


def refuse(result: ResultObject[Any], used: str) -> NoReturn:
    """Tells the author that the object was used as if it were the value."""
    raise PlaceholderError(f"{_named(result)} was {used}; {_ADVICE}")


def _refusal(used: str) -> Callable[..., NoReturn]:
    def refused(self: ResultObject[Any], *_: object) -> NoReturn:
        refuse(self, used)

    return refused


#: What using an object as a value looks like, by the special method Python calls for it.
_USES = {
    "tested for truth": ("bool",),
    "iterated, counted or indexed": ("iter", "len", "getitem", "contains", "reversed", "next"),
    "turned into text": ("str", "format"),
    "turned into a number": ("int", "float", "complex", "index", "round", "trunc", "floor", "ceil"),
    "turned into bytes": ("bytes",),
    "compared": ("lt", "le", "gt", "ge"),
    "called": ("call",),
    "entered as a context": ("enter", "exit"),
    "used in arithmetic": ("neg", "pos", "abs", "invert"),
}
_OPERATIONS = "add sub mul matmul truediv floordiv mod divmod pow and or xor lshift rshift"
_USES["used in arithmetic"] += tuple(p + name for name in _OPERATIONS.split() for p in ("", "r"))
for _used, _methods in _USES.items():
    for _method in _methods:
        setattr(ResultObject, f"__{_method}__", _refusal(_used))


#: The value of a result that nobody has asked for yet.
_UNREAD: Any = object()


class Placeholder(ResultObject[T]):
    """A call without a result: not scheduled, blocked, delayed or running."""

    __slots__ = ()
    _used = (*ResultObject._used, "waiting_for")

    waiting_for: tuple[ResultObject[Any], ...]

    def __init__(
        self,
        *,
        call: str = "",
        watcher: Watcher | None = None,
        target: Any = None,
        waiting_for: Sequence[ResultObject[Any]] = (),
    ) -> None:
        super().__init__(call=call, order=None, watcher=watcher, target=target)
        #: The unfinished objects behind it, if it combines several.
        self.waiting_for = tuple(waiting_for)

    def result(self) -> T:
        """Waits: the code goes on once this has become one of the others, or never."""
        while self.order is None:
            if self.watcher is None:
                raise SuspendTask
            self.watcher.suspend(self.waiting_for or (self,), together=True)
        return cast("ResultObject[T]", self).result()


class Result(ResultObject[T]):
    """A call that completed."""

    __slots__ = ()
    _used = (*ResultObject._used, "_value")

    def __init__(self, value: T, *, call: str = "", order: int = 0, watcher: Watcher | None = None) -> None:
        # Not by super(): a replay makes one for every finished call, and this halves the cost.
        self.call = call
        self.order: int = order
        self.watcher = watcher
        self.target = None
        self._value = value

    def result(self) -> T:
        """The value the task returned."""
        if self.watcher is not None:
            self.watcher.learn(self.order)
        return self.peek() if self._value is _UNREAD else self._value

    def peek(self) -> T:
        """The value, for passing it on without the code having seen it."""
        return self._value


class EncodedResult(Result[T]):
    """A call that completed, its value still text until somebody asks."""

    __slots__ = ()
    _used = (*Result._used, "_decode", "_text")

    def __init__(
        self, text: str, decode: Callable[[str], T], *, call: str, order: int, watcher: Watcher
    ) -> None:
        super().__init__(_UNREAD, call=call, order=order, watcher=watcher)
        self._text = text
        self._decode = decode

    def peek(self) -> T:
        """The value, decoded once per run."""
        if self._value is _UNREAD:
            try:
                self._value = self._decode(self._text)
            except Exception as error:
                raise PayloadError(f"the result of {self.call} cannot be read: {error}") from error
        return self._value


class Error(ResultObject[T]):
    """A call that failed; only where errors are handled."""

    __slots__ = ()
    _used = (*ResultObject._used, "exception")

    exception: TaskError

    def __init__(
        self, exception: TaskError, *, call: str = "", order: int = 0, watcher: Watcher | None = None
    ) -> None:
        super().__init__(call=call, order=order, watcher=watcher)
        self.exception = exception

    @property
    def reason(self) -> str:
        """The text of the failure."""
        return self.exception.reason

    def result(self) -> T:
        """Raises the TaskError."""
        self._learn()
        # A new traceback each time: the same object may be asked more than once.
        raise self.exception.with_traceback(None)


class Timeout(Error[T]):
    """A call whose last attempt timed out; only where errors are handled."""

    __slots__ = ()

    exception: TaskTimedout
