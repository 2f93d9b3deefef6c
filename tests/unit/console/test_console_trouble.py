"""The banner: what does not answer, in no more than two lines."""

from __future__ import annotations

import pytest

from flowyd.console.view_model import trouble

PATH = "/var/lib/somewhere/quite/deep/with/a/long/name/that/goes/on/and/on/run/flowyd"
DAEMON = f"no daemon answers at {PATH}/control.sock: [Errno 111] Connection refused"
ENGINE = (
    f"no engine answers at unix:{PATH}/engine.sock (Connection refused); is flowyd running, and may you use "
    "its socket?"
)


def test_nothing_is_said_while_all_answer() -> None:
    assert trouble.lines(daemon="", swf="", service="the engine", width=78) == ()


@pytest.mark.parametrize(("daemon", "swf"), [(DAEMON, ""), ("", ENGINE), (DAEMON, ENGINE)])
@pytest.mark.parametrize("width", [78, 158])
def test_a_loss_takes_two_lines_at_most(daemon: str, swf: str, width: int) -> None:
    found = trouble.lines(daemon=daemon, swf=swf, service="the engine", width=width)

    assert len(found) <= 2
    assert all(len(line) <= width for line in found)
    assert "showing what was last seen" in found[0]


@pytest.mark.parametrize("width", [-2, 0, 1, 5])
def test_a_screen_without_a_width_yet_is_no_error(width: int) -> None:
    assert len(trouble.lines(daemon=DAEMON, swf="", service="the engine", width=width)) <= 2
    assert len(trouble.lines(daemon=DAEMON, swf=ENGINE, service="the engine", width=width)) <= 2


def test_that_both_are_lost_is_said_in_the_first_line() -> None:
    first, second = trouble.lines(daemon=DAEMON, swf=ENGINE, service="the engine", width=78)

    assert first == "▲ no daemon, no engine: showing what was last seen, trying again"
    assert second.startswith("  no daemon answers at /var")


def test_a_refusal_is_told_whole_where_it_has_room() -> None:
    found = trouble.lines(daemon="", swf="ThrottlingException: Rate exceeded", service="Amazon SWF", width=78)

    assert found == ("▲ showing what was last seen, trying again: ThrottlingException: Rate exceeded",)
