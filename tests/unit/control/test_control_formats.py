"""The formats between our processes: what is written is read again, and nothing else is accepted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowyd.control.protocol import (
    ControlAnswer,
    ControlRequest,
    decode_answer,
    decode_request,
    encode_answer,
    encode_request,
)
from flowyd.control.reports import Report, TaskInHand, WorkerState, decode_report, encode_report
from flowyd.control.status import DaemonStatus, PoolStatus, WorkerStatus, decode_status, encode_status
from flowyd.errors import ProtocolError

TASK = st.builds(
    TaskInHand,
    kind=st.sampled_from(["activity", "decision"]),
    task_token=st.text(),
    type_name=st.text(),
    type_version=st.text(),
    workflow_id=st.text(),
    run_id=st.text(),
    activity_id=st.text(),
    started_event_id=st.integers(0, 10**6),
)


@given(
    st.builds(
        Report,
        state=st.sampled_from(list(WorkerState)),
        since=st.floats(0, 1e9),
        until=st.none() | st.floats(0, 1e9),
        task=st.none() | TASK,
        more_tasks=st.lists(TASK, max_size=2).map(tuple),
        held=st.none() | TASK,
        tasks_done=st.integers(0, 10**9),
        broken_modules=st.none() | st.dictionaries(st.text(), st.text()),
        served_types=st.none() | st.lists(st.text()).map(tuple),
    )
)
def test_a_report_is_read_as_it_was_written(report: Report) -> None:
    line = encode_report(report)

    assert line.count(b"\n") == 1
    assert decode_report(line) == report


@given(st.binary())
def test_any_bytes_are_a_report_or_a_protocol_error(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_report(line)


@given(st.binary())
def test_any_bytes_are_a_request_or_a_protocol_error(line: bytes) -> None:
    for decode in (decode_request, decode_answer):
        with pytest.raises(ProtocolError):
            decode(line)


@given(st.text(), st.dictionaries(st.text(), st.integers() | st.text()))
def test_a_request_is_read_as_it_was_written(command: str, arguments: dict[str, object]) -> None:
    request = ControlRequest(command=command, arguments=arguments)

    assert decode_request(encode_request(request)) == request


@pytest.mark.parametrize(
    "answer",
    [ControlAnswer(answer={"pools": ["a"]}), ControlAnswer(error="no such pool")],
    ids=["ok", "error"],
)
def test_an_answer_is_read_as_it_was_written(answer: ControlAnswer) -> None:
    assert decode_answer(encode_answer(answer)) == answer


def test_another_version_is_refused_by_name() -> None:
    with pytest.raises(ProtocolError, match="version 2 is not spoken here; use 1"):
        decode_request(b'{"v": 2, "command": "status"}')


def test_a_status_is_read_as_it_was_written() -> None:
    worker = WorkerStatus(pid=1, state="polling", state_s=0.5)
    pool = PoolStatus(
        name="p",
        kind="activity",
        task_list="t",
        processes=1,
        workers=(worker,),
        broken_modules={"a.py": "why"},
        served_types=("x 1",),
    )
    status = DaemonStatus(
        version="1",
        pid=2,
        state="running",
        started_at=3.0,
        domain="d",
        backend="embedded",
        config_file="f",
        engine=worker,
        pools=(pool,),
    )

    assert decode_status(encode_status(status)) == status
