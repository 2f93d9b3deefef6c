"""The keys of a screen, and those that hold everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowyd.console.dialogs.text import TextDialog
from flowyd.console.view_model.cells import Part, Tone

if TYPE_CHECKING:
    from flowyd.console.screens.live import LiveScreen

EVERYWHERE = """\
1 … 8  Tab   main screens        :  or ctrl+p  all commands, themes
↑ ↓  k j   PageUp PageDown       Home End  g G
Enter  in      Escape  out       /  filter     ?  this help
>  <  sort by the next column    =  turn the order round
ctrl+r  ask again now            q  leave; everything goes on

The mouse: click a row, double click to open, click a heading to sort."""


class HelpDialog(TextDialog):
    """What can be done on a screen."""

    def __init__(self, screen: LiveScreen[object, object]) -> None:
        text = (
            Part("On this screen\n\n", Tone.STRONG),
            Part(screen.help_text or "nothing but what holds everywhere"),
            Part("\n\nEverywhere\n\n", Tone.STRONG),
            Part(EVERYWHERE),
        )
        super().__init__("Keys", text)
