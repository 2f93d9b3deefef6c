"""The benchmark's floor of boto3 says what the engine says, so that it is a floor of the same exchange."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.peers.boto3_swf import free_port
from bench.peers.environments import DRIVERS
from tests.contract.engine_process import EngineProcess

PAYLOAD = {"note": "x" * 40}

Exchange = list[tuple[str, object]]
Play = Callable[[str, str, int, int], Exchange]


@pytest.fixture
def answers() -> Iterator[str]:
    """The address of the server that only answers."""
    port = free_port()
    server = subprocess.Popen([sys.executable, str(DRIVERS / "swf_answers.py"), str(port)])
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.wait()


@pytest.fixture
def own_engine_address(tmp_path: Path) -> Iterator[str]:
    """The address of an engine that knows nothing yet, as the loop needs it."""
    engine = EngineProcess(tmp_path).start()
    yield engine.http
    assert engine.stop() == 0


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    """Runs the benchmark's loop against an address: kind of workflow, its size, how many; all answers."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.syspath_prepend(DRIVERS)
    from boto3_loop import Loop  # type: ignore[import-not-found]  # a driver, found by its plain name

    def played(address: str, kind: str, size: int, count: int) -> Exchange:
        seen: Exchange = []

        def heard(operation_model: Any, response_dict: dict[str, Any], **_: object) -> None:
            body = response_dict["body"]
            seen.append((operation_model.name, measure(json.loads(body)) if body else None))

        loop = Loop(address)
        loop.swf.meta.events.register("before-parse.swf", heard)
        loop.run(kind, size, PAYLOAD, count)
        return seen

    return played


def measure(value: object) -> object:
    """An answer with the length for each text, and 0 for each number."""
    if isinstance(value, dict):
        # SWF's tokens are opaque, and those of pages need not be as long as those of tasks.
        return {key: 0 if key == "nextPageToken" else measure(one) for key, one in value.items()}
    if isinstance(value, list):
        return [measure(one) for one in value]
    return len(value) if isinstance(value, str) else 0


@pytest.mark.parametrize(
    ("kind", "size", "count"),
    [
        pytest.param("chain", 3, 1, id="chain"),
        pytest.param("fan", 350, 1, id="fan-out with a history of two pages"),
        pytest.param("three", 3, 2, id="two workflows of three activities"),
    ],
)
def test_boto3_is_answered_as_by_the_engine(
    own_engine_address: str, answers: str, play: Play, kind: str, size: int, count: int
) -> None:
    assert play(answers, kind, size, count) == play(own_engine_address, kind, size, count)
