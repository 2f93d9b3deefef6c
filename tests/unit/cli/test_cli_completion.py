"""What a Tab offers, as far as the parsers alone know."""

from __future__ import annotations

import pytest

from flowyd.cli.completion import candidates
from flowyd.cli.main import COMMANDS


def offered(line: str) -> list[str]:
    """The candidates for the last word of a line, which may be empty."""
    *before, prefix = line.split(" ")
    return [candidate.word for candidate in candidates(before, prefix)]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", list(COMMANDS)),
        ("ti", ["timeline"]),
        ("--js", ["--json"]),
        ("--json --end", ["--endpoint"]),
        ("--json hist", ["history"]),
        ("--config ", [":files"]),
        ("--config x ", list(COMMANDS)),
        ("--log-format j", ["json", "journal"]),
        ("list --sta", ["--status"]),
        ("list --status t", ["terminated", "timed-out"]),
        ("list --status=comp", ["--status=completed"]),
        ("list --open --op", []),
        ("start --tag a --ta", ["--task-list", "--tag"]),
        ("check ", [":files"]),
        ("domains re", ["register"]),
        ("nosuch x", []),
        ("completion ", ["bash", "zsh", "fish"]),
    ],
    ids=lambda value: value or "nothing" if isinstance(value, str) else "",
)
def test_a_tab_offers_what_could_stand_there(line: str, words: list[str]) -> None:
    assert offered(line) == words


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_options_to_offer(name: str) -> None:
    assert "--config" in offered(f"{name} --")
