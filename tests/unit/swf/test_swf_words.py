"""SWF's words: durations and faults, and where scripts find the engine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowyd.errors import ProtocolError
from flowyd.swf import durations
from flowyd.swf.connect import endpoint_of
from flowyd.swf.faults import FAULTS, SwfFault, UnknownResourceFault, fault_from_wire


@given(st.none() | st.integers(0, durations.LONGEST_S))
def test_durations_come_back_as_they_went(seconds: int | None) -> None:
    assert durations.from_wire(durations.to_wire(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "-1", "1.5", "none", "٣", " 1"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError, match="no SWF duration"):
        durations.from_wire(text)


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_comes_back_from_its_wire_form(name: str) -> None:
    fault = FAULTS[name]("why")

    back = fault_from_wire(fault.wire_type, fault.message)

    assert (type(back), back.message) == (FAULTS[name], "why")


def test_a_fault_may_come_without_namespace() -> None:
    assert isinstance(fault_from_wire("UnknownResourceFault", ""), UnknownResourceFault)


def test_an_unlisted_fault_keeps_its_name() -> None:
    fault = fault_from_wire("com.example#NewFault", "why")

    assert isinstance(fault, SwfFault)
    assert (fault.name, str(fault)) == ("NewFault", "NewFault: why")


def test_scripts_find_the_engine_by_the_environment() -> None:
    assert endpoint_of({"FLOWYD_ENDPOINT": "unix:///run/engine.sock"}) == "unix:///run/engine.sock"
    assert endpoint_of({"FLOWYD_ENDPOINT": ""}) is None
