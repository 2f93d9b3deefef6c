"""The two lines on top of each screen, and the banner below them when something does not answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from flowyd.console.view_model import trouble, workers
from flowyd.console.view_model.cells import Cell, Part, Tone, cut, greyed

if TYPE_CHECKING:
    from flowyd.console.app import Console

#: Tones as theme colours, for texts outside of tables.
COLOURS = {
    Tone.PLAIN: "",
    Tone.DIM: "$foreground-muted",
    Tone.STRONG: "bold",
    Tone.GOOD: "$text-success",
    Tone.BUSY: "$text-primary",
    Tone.WAITING: "$text-secondary",
    Tone.WARN: "$text-warning",
    Tone.BAD: "bold $text-error",
}


def content(parts: tuple[Part, ...]) -> Content:
    """The parts as Textual's text."""
    return Content.assemble(*((part.text, COLOURS[part.tone]) for part in parts))


#: From this width on, in characters, the names of the screens have blanks around them.
ROOMY = 100


class Head(Vertical):
    """Domain, daemon, role and time; the main screens; the banner."""

    TICK_S: ClassVar[float] = 1.0

    def compose(self) -> ComposeResult:
        yield Static(id="state")
        yield Static(id="places")
        yield Static(id="banner", markup=False)

    @property
    def console_app(self) -> Console:
        return cast("Console", self.app)

    def on_mount(self) -> None:
        self.set_interval(self.TICK_S, self.redraw)
        self.watch(self.console_app, "progress", self.redraw, init=False)
        self.redraw()

    def on_resize(self) -> None:
        self.redraw()

    def redraw(self) -> None:
        """Writes all three anew from the app's state."""
        if not self.screen.is_current:
            return
        console = self.console_app
        self.query_one("#state", Static).update(self._state(), layout=False)
        self.query_one("#places", Static).update(self._places(), layout=False)
        banner = self.query_one("#banner", Static)
        lines = trouble.lines(
            daemon=console.daemon_loss,
            swf=console.swf_trouble,
            service=console.backend.target.service,
            width=max(self.size.width - 2, 1),
        )
        banner.set_class(bool(lines), "-shown")
        if lines:
            banner.update("\n".join(lines))

    def _state(self) -> Content:
        console = self.console_app
        target = console.backend.target
        told: Cell = ()
        if console.status is not None:
            health = workers.health(console.status)
            told = greyed(health) if console.daemon_trouble else health
        elif target.control_socket is not None:
            told = (Part("no daemon", Tone.DIM),)
        right = time.strftime("%H:%M:%S")
        if console.read_only:
            right = f"read-only  {right}"
        if console.progress:
            right = f"{console.progress}  {right}"
        room = self.size.width - len(right) - 3
        left: list[Part] = [
            Part("flowyd", Tone.STRONG),
            Part("  domain ", Tone.DIM),
            Part(console.domain, Tone.STRONG),
            Part(f"  {target.backend}  ", Tone.DIM),
            *told,
        ]
        if sum(len(part.text) for part in left) > room:
            # What it speaks to stays the same; how it is may not.
            left[3] = Part("  ")
        left = cut(left, room)
        gap = self.size.width - len(right) - 2 - sum(len(part.text) for part in left)
        return content((*left, Part(" " * max(gap, 1)), Part(right, Tone.DIM)))

    def _places(self) -> Content:
        console = self.console_app
        # Eight of them have room in 80 columns only without blanks around.
        pad = " " if self.size.width >= ROOMY else ""
        texts = []
        for key, (name, title) in zip("12345678", console.PLACES.items(), strict=False):
            here = name == console.current_mode
            style = "reverse bold" if here else "$foreground-muted"
            texts.append(Content.from_markup(f"[{style} @click=app.go('{name}')]{pad}{key} {title}{pad}[/]"))
        return Content(" ").join(texts)
