"""Dead workers' activity tasks at the service: those begun are failed, the others given back."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowyd.control.reports import TaskInHand
from flowyd.worker.errand import run_errand
from flowyd.worker.spec import NOT_BEGUN, WORKER_DIED, Errand, Obituary, ServiceSpec
from tests.unit.worker.scripted_engine import ScriptedEngine, Step, answer, fault, hang_up

FAIL = "RespondActivityTaskFailed"
HOW = "killed by SIGKILL (pool images, pid 4711)"


pytestmark = pytest.mark.usefixtures("logs_as_before")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "engine.sock"


def task(token: str) -> TaskInHand:
    return TaskInHand(
        kind="activity", task_token=token, type_name="t", type_version="1", workflow_id="w", run_id="r"
    )


def died(token: str) -> Obituary:
    return Obituary(task=task(token), reason=f"{WORKER_DIED}: {HOW}", details="last words")


def not_begun(token: str, came_with: str = "p1") -> Obituary:
    return Obituary(task=task(token), reason=f"{NOT_BEGUN}: {HOW}", came_with=came_with)


def deliver(path: Path, *obituaries: Obituary) -> int:
    service = ServiceSpec(domain="d", engine_socket=path)
    return run_errand(Errand(service=service, obituaries=obituaries))


def sent(engine: ScriptedEngine) -> list[tuple[str, str | None]]:
    """Of each failed task the token and the poll that it is given back to; None: it is not."""
    assert {each.action for each in engine.sent} == {FAIL}
    return [(each.members["taskToken"], each.headers.get("x-flowyd-not-begun")) for each in engine.sent]


def test_tasks_begun_are_failed_and_the_others_given_back_to_the_poll_they_came_with(path: Path) -> None:
    with ScriptedEngine(path, *[answer()] * 5) as engine:
        code = deliver(
            path, not_begun("a"), not_begun("b"), died("c"), not_begun("d", "p2"), not_begun("e", "p2")
        )

    assert code == 0
    assert sent(engine) == [("a", "p1"), ("b", "p1"), ("c", None), ("d", "p2"), ("e", "p2")]


def test_a_task_given_back_says_that_it_was_not_begun_to_whom_it_cannot_be_given_back(path: Path) -> None:
    with ScriptedEngine(path, answer()) as engine:
        deliver(path, not_begun("a"))

    assert engine.sent[0].members == {
        "taskToken": "a",
        "reason": "worker died before it began the task: killed by SIGKILL (pool images, pid 4711)",
        "details": "",
    }


ENDS: dict[str, tuple[list[Step], list[str]]] = {
    "in the middle": ([answer(), hang_up, answer(), answer()], ["a", "b", "b", "c"]),
    "at the last": ([answer(), answer(), hang_up, answer()], ["a", "b", "c", "c"]),
    "at once": ([hang_up, answer(), answer(), answer()], ["a", "a", "b", "c"]),
    "twice": ([hang_up, answer(), hang_up, answer(), answer()], ["a", "a", "b", "b", "c"]),
}


@pytest.mark.parametrize(("steps", "tokens"), ENDS.values(), ids=ENDS)
def test_what_a_broken_connection_hides_is_given_back_again(
    path: Path, steps: list[Step], tokens: list[str]
) -> None:
    with ScriptedEngine(path, *steps) as engine:
        code = deliver(path, *map(not_begun, "abc"))

    assert code == 0
    assert sent(engine) == [(token, "p1") for token in tokens]


def test_what_is_throttled_is_given_back_again_without_the_others(path: Path) -> None:
    with ScriptedEngine(path, answer(), fault("ThrottlingException"), answer(), answer()) as engine:
        code = deliver(path, *map(not_begun, "abc"))

    assert code == 0
    assert [token for token, _ in sent(engine)] == ["a", "b", "c", "b"]


@pytest.mark.parametrize(
    ("name", "is_news"), [("UnknownResourceFault", False), ("ValidationException", True)]
)
def test_a_task_that_is_refused_keeps_no_other_from_being_given_back(
    path: Path, capsys: pytest.CaptureFixture[str], name: str, is_news: bool
) -> None:
    with ScriptedEngine(path, fault(name), answer(), answer()) as engine:
        code = deliver(path, not_begun("a"), not_begun("b"), died("c"))

    assert code == 0
    assert sent(engine) == [("a", "p1"), ("b", "p1"), ("c", None)]
    # One that was closed meanwhile is what may happen.
    assert ("cannot be answered for" in capsys.readouterr().err) == is_news


def test_an_errand_to_a_service_that_is_away_is_to_be_repeated(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowyd.worker.errand.WITHIN_S", 0.1)

    assert deliver(path, not_begun("a")) == 1
