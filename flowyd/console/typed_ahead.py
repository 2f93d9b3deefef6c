"""Keys go to the screen they are meant for, in order, however fast they come.

A key is handed on when what the key before it led to has happened: Textual sends a key, and what a widget
makes of it, through the queues of the widgets from the focused one upwards, and a next key would overtake
that. While a screen is on its way, because something must be asked first or its widgets do not stand yet,
keys are held for it; Escape among them leaves what has not come. When it cannot come, what was typed for it
is forgotten: below it the same letters mean something else.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from textual import events
from textual.app import App, ScreenStackError
from textual.dom import DOMNode
from textual.message import Message
from textual.message_pump import MessagePump
from textual.screen import Screen

#: How often a key's path is gone along: a key climbs to the app, which finds the binding; the widget that is
#: bound says what happened; and that climbs to the screen, which may then open or leave a screen.
LAPS = 3
#: How often is looked whether a widget is gone that has not answered, and whether a screen has come, seconds.
LOOK_EVERY_S = 0.01
#: Nobody must wait to leave the console.
NEVER_HELD = frozenset({"ctrl+q", "ctrl+c"})

Typed = events.Key | events.Paste


@dataclass
class Released(Message):
    """A held key's turn has come."""

    typed: Typed


class Expected:
    """A screen that is on its way while something is asked for it."""

    def __init__(self, keys: TypedAhead) -> None:
        self._keys = keys

    @property
    def is_wanted(self) -> bool:
        """Nobody has pressed Escape since."""
        return self._keys.expected is self

    def come(self, open_it: Callable[[], Any]) -> None:
        """Opens the screen, if it is still wanted."""
        if self.is_wanted:
            open_it()
            self._keys.expect_no_more(self)

    def fail(self) -> None:
        """It does not come: what was typed for it is forgotten."""
        if self.is_wanted:
            self._keys.forget()
            self._keys.expect_no_more(self)


class TypedAhead:
    """What has been typed and not yet been handed on."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._held: deque[Typed] = deque()
        #: The path of the key that was handed on last: who may still have to deal with it.
        self._paths: asyncio.Queue[tuple[MessagePump, ...]] = asyncio.Queue()
        #: A key is on its path, or a held one is about to be handed on.
        self._busy = False
        #: The screen that is on its way; None: none is.
        self.expected: Expected | None = None

    def expect(self) -> Expected:
        """Holds keys from now on, until the screen has come or failed."""
        self.expected = Expected(self)
        return self.expected

    def expect_no_more(self, expected: Expected) -> None:
        """That screen has come, or failed."""
        if self.expected is expected:
            self.expected = None

    def forget(self) -> None:
        """Drops what is held."""
        self._held.clear()

    def holds(self, typed: Typed) -> bool:
        """Keeps the key for later; False: its turn is now."""
        if isinstance(typed, events.Key) and typed.key in NEVER_HELD:
            return False
        if not self._busy and self._stands:
            return False
        self._held.append(typed)
        self._leave_if_escaped()
        if not self._busy:
            self.handed_on(to=None)
        return True

    def handed_on(self, *, to: DOMNode | None) -> None:
        """A key has been given to that node: the next waits until all it led to has happened."""
        self._busy = True
        self._paths.put_nowait(tuple(to.ancestors_with_self) if to is not None else ())

    async def hand_on(self) -> None:
        """Releases what is held, one by one; runs as long as the app does."""
        while True:
            path = await self._paths.get()
            for pump in path * LAPS:
                await _through(pump)
            await self._until_a_screen_stands()
            self._busy = bool(self._held)
            if self._held:
                self._app.post_message(Released(self._held.popleft()))

    @property
    def _top(self) -> Screen[Any] | None:
        """The screen on top; None while the app begins or ends."""
        try:
            return self._app.screen
        except ScreenStackError:
            return None

    @property
    def _stands(self) -> bool:
        return self.expected is None and self._top is not None and self._top.is_mounted

    async def _until_a_screen_stands(self) -> None:
        while True:
            top = self._top
            # A screen takes from its queue only when its widgets stand.
            for pump in (top, self._app) if top is not None else ():
                await _through(pump)
            self._leave_if_escaped()
            if self._stands and self._top is top:
                return
            await asyncio.sleep(LOOK_EVERY_S)

    def _leave_if_escaped(self) -> None:
        """Of what is held for a screen that has not come, all up to an Escape goes with that screen."""
        if self.expected is None:
            return
        for place, typed in enumerate(self._held):
            if isinstance(typed, events.Key) and typed.key == "escape":
                for _ in range(place + 1):
                    self._held.popleft()
                self.expected = None
                return


async def _through(pump: MessagePump) -> None:
    """Waits until the pump has dealt with all that it has been sent, or is gone."""
    passed = asyncio.get_running_loop().create_future()
    if not pump.call_later(_set, passed):
        return
    while pump.is_running and not passed.done():
        await asyncio.wait([passed], timeout=LOOK_EVERY_S)


def _set(passed: asyncio.Future[None]) -> None:
    if not passed.done():
        passed.set_result(None)
