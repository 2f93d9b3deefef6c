"""flowyd's own two themes; the sixteen-colour ones and many more come with Textual."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="flowyd-dark",
    dark=True,
    primary="#5fb3d9",
    secondary="#8fa1b8",
    accent="#e0b15e",
    foreground="#d8dee6",
    background="#12161c",
    surface="#171c24",
    panel="#202733",
    success="#7cc38a",
    warning="#e0b15e",
    error="#e87973",
)
LIGHT = Theme(
    name="flowyd-light",
    dark=False,
    primary="#0b6aa2",
    secondary="#5a6878",
    accent="#9a6200",
    foreground="#1c232b",
    background="#fbfbf9",
    surface="#f3f3ef",
    panel="#e5e6e0",
    success="#23733a",
    warning="#8f5b00",
    error="#b3261e",
)
THEMES = (DARK, LIGHT)
