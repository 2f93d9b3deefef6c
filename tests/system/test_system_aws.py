"""`backend = "aws"` on real processes: the same pools through boto3, on our engine and on moto's server."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "contract"))

from engine_process import EngineProcess
from running_daemon import RunningDaemon, until
from throttling_proxy import ThrottlingProxy

from flowyd.swf.boto import BotoClient


class RemoteDaemon(RunningDaemon):
    """A daemon whose SWF is elsewhere, asked through boto3 by the tests as well."""

    def __init__(self, folder: Path, endpoint: str, direct: str | None = None) -> None:
        super().__init__(folder)
        self._direct = direct or endpoint
        swf = f'[swf]\nbackend = "aws"\nregion = "us-east-1"\nendpoint_url = "{endpoint}"\n'
        self.config.write_text(swf + self.config.read_text())

    def client(self) -> Any:
        return BotoClient(region="us-east-1", endpoint_url=self._direct)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keys that nobody checks, and no configuration of the developer's own."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "lab")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "lab")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    folder = tmp_path / "engine"
    folder.mkdir()
    # Amazon's polls cannot be taken back: short ones let the daemon stop soon.
    process = EngineProcess(folder, options=("--any-credentials", "--limit", "poll=2s"))
    process.start()
    yield process
    process.kill()


@pytest.fixture
def daemon(tmp_path: Path, engine: EngineProcess) -> Iterator[RemoteDaemon]:
    daemon = RemoteDaemon(tmp_path, engine.http)
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.destroy()


def result_of(closing: dict[str, Any]) -> Any:
    return json.loads(closing["workflowExecutionCompletedEventAttributes"]["result"])


def lists_of_decisions(history: list[dict[str, Any]]) -> list[str]:
    return [
        event["decisionTaskScheduledEventAttributes"]["taskList"]["name"]
        for event in history
        if event["eventType"] == "DecisionTaskScheduled"
    ]


def test_the_same_pools_work_and_stop_in_order(daemon: RemoteDaemon) -> None:
    execution = daemon.begin("tutorial", 1)

    assert result_of(daemon.close_of(execution)) == "2-4"
    assert daemon.status().engine is None
    assert daemon.status().backend == "aws"
    first, *later = lists_of_decisions(daemon.history(execution))
    assert first == "decide"
    assert all(name.startswith("flowyd.") for name in later), "deciders keep to their own lists"
    assert daemon.stop() == 0
    assert daemon.left_over() == []


def test_a_stop_waits_for_polls_longer_than_for_tasks(daemon: RemoteDaemon) -> None:
    # Shorter than a poll of the engine there.
    daemon.config.write_text(daemon.config.read_text().replace('stop_timeout = "10s"', 'stop_timeout = "0s"'))
    daemon.ask("reload")
    execution = daemon.begin("tutorial", 1)
    daemon.close_of(execution)
    # A worker says a moment after its answer that it has nothing in hand; this stop does not wait for tasks.
    until(lambda: all(w.state == "polling" for name in ("workers", "deciders") for w in daemon.workers(name)))

    assert daemon.stop() == 0

    log = daemon.log.read_text()
    assert "is killed" not in log
    assert "Amazon SWF cannot take them back" in log


def test_a_killed_worker_fails_its_task(daemon: RemoteDaemon, tmp_path: Path) -> None:
    execution = daemon.begin("through", str(tmp_path), 1)
    until((tmp_path / "begun").exists)

    os.kill(int((tmp_path / "begun").read_text()), signal.SIGKILL)

    reason = daemon.close_of(execution)["workflowExecutionFailedEventAttributes"]["reason"]
    assert "worker died: killed by SIGKILL" in reason


def test_throttling_is_answered_with_growing_pauses_and_costs_nothing(
    tmp_path: Path, engine: EngineProcess
) -> None:
    proxy = ThrottlingProxy(engine.port)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    daemon = RemoteDaemon(tmp_path, f"http://127.0.0.1:{proxy.server_port}", engine.http)
    try:
        daemon.start()
        before = {worker.pid for worker in daemon.workers("workers")}
        proxy.throttles = True
        execution = daemon.begin("tutorial", 3)
        until(lambda: proxy.refused > 0)
        time.sleep(4)

        proxy.throttles = False

        # Four polls are out: of two workers, and a decider's two lists.
        assert proxy.refused < 40
        assert result_of(daemon.close_of(execution)) == "6-8"
        assert {worker.pid for worker in daemon.workers("workers")} == before
    finally:
        daemon.destroy()
        proxy.shutdown()
        proxy.server_close()


def test_a_workflow_runs_on_motos_server(tmp_path: Path) -> None:
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    daemon = RemoteDaemon(tmp_path, f"http://{host}:{port}")
    try:
        daemon.start()

        assert result_of(daemon.close_of(daemon.begin("tutorial", 1))) == "2-4"
    finally:
        daemon.destroy()
        moto.stop()
