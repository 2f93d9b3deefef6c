"""--watch as a process: in place on a terminal, afresh in a pipe, until Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowyd.cli.following import follow
from flowyd.cli.reaching import Service
from flowyd.swf.lean import LeanClient
from tests.contract.engine_process import EngineProcess
from tests.system.cli_process import COMMAND, flowyd
from tests.system.running_daemon import until


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    engine = EngineProcess(tmp_path).start()
    assert flowyd("--endpoint", engine.unix, "domains", "register", "default").code == 0
    client = LeanClient(engine.unix)
    kind = {"domain": "default", "name": "nightly", "version": "1", "defaultTaskList": {"name": "decide"}}
    limits = {"defaultTaskStartToCloseTimeout": "60", "defaultExecutionStartToCloseTimeout": "600"}
    client.call("RegisterWorkflowType", {**kind, **limits, "defaultChildPolicy": "TERMINATE"})
    client.close()
    yield engine
    if engine.is_running:
        engine.kill()


def start(engine: EngineProcess, workflow_id: str) -> None:
    assert flowyd("--endpoint", engine.unix, "start", "nightly", "1", "--id", workflow_id).code == 0


def interrupted(process: subprocess.Popen[str]) -> tuple[int, str]:
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    return process.returncode, out


def watching(engine: EngineProcess, *words: str, out: Path) -> subprocess.Popen[str]:
    """The command, its output in a file, so that what was written can be seen while it goes on."""
    command = [*COMMAND, "--endpoint", engine.unix, *words]
    with out.open("w") as file:
        return subprocess.Popen(
            command,
            stdout=file,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )


def test_in_a_pipe_it_prints_afresh_until_ctrl_c(engine: EngineProcess, tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    process = watching(engine, "list", "--watch", "0.1", out=out)
    until(lambda: "no open executions" in out.read_text())

    start(engine, "later")
    until(lambda: "later" in out.read_text())

    assert interrupted(process)[0] == 0
    assert "\x1b" not in out.read_text()


def test_for_machines_one_json_text_follows_the_other(engine: EngineProcess, tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    process = watching(engine, "list", "--json", "--watch", "0.1", out=out)
    until(lambda: out.read_text().count('"more"') >= 2)

    assert interrupted(process)[0] == 0
    first, end = json.JSONDecoder().raw_decode(out.read_text())
    assert first["executions"] == []
    assert json.JSONDecoder().raw_decode(out.read_text()[end:].lstrip())[0] == first


def test_an_engine_that_goes_away_is_asked_again(engine: EngineProcess, tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    start(engine, "stays")
    process = watching(engine, "show", "--watch", "0.1", "stays", out=out)
    until(lambda: out.read_text().count("stays") >= 1)

    engine.kill()
    assert process.stderr is not None
    assert process.stderr.readline().startswith("flowyd: no engine answers")
    engine.start()
    seen = out.read_text().count("stays")
    until(lambda: out.read_text().count("stays") > seen)

    assert interrupted(process)[0] == 0


def test_a_history_is_followed(engine: EngineProcess, tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    start(engine, "told")
    process = watching(engine, "history", "--watch", "0.1", "told", out=out)
    until(lambda: "DecisionTaskScheduled" in out.read_text())

    assert flowyd("--endpoint", engine.unix, "signal", "told", "approve").code == 0
    until(lambda: "WorkflowExecutionSignaled" in out.read_text())

    assert interrupted(process)[0] == 0


def test_an_end_is_shown_before_the_pause_is_over(engine: EngineProcess, tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    start(engine, "ended")
    process = watching(engine, "history", "--watch", "1000", "ended", out=out)
    until(lambda: "DecisionTaskScheduled" in out.read_text())

    assert flowyd("--endpoint", engine.unix, "terminate", "ended").code == 0
    until(lambda: "WorkflowExecutionTerminated" in out.read_text())

    assert interrupted(process)[0] == 0


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["shown", "for machines"])
def test_a_start_that_waits_is_over_when_the_execution_is(
    engine: EngineProcess, tmp_path: Path, options: tuple[str, ...]
) -> None:
    out = tmp_path / "out.txt"
    process = watching(engine, "start", "--wait", *options, "--id", "ended", "nightly", "1", out=out)
    until(lambda: flowyd("--endpoint", engine.unix, "signal", "ended", "here").code == 0)
    engine.kill()
    engine.start()

    assert flowyd("--endpoint", engine.unix, "terminate", "ended", "--reason", "enough").code == 0

    assert process.wait(20) == 1
    assert "enough" in out.read_text()
    if options:
        assert json.loads(out.read_text())["status"] == "TERMINATED"


@pytest.mark.parametrize("as_json", [False, True])
def test_an_engine_that_is_away_from_the_first_look_on_is_waited_for(
    engine: EngineProcess, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    client = LeanClient(engine.unix)
    named = {"domain": "default", "workflowId": "ended"}
    kind = {"name": "nightly", "version": "1"}
    run_id = client.call("StartWorkflowExecution", {**named, "workflowType": kind})["runId"]
    engine.kill()

    def come_back() -> None:
        engine.start()
        LeanClient(engine.unix).call("TerminateWorkflowExecution", {**named, "reason": "enough"})

    coming_back = threading.Timer(0.2, come_back)
    coming_back.start()
    reached = Service(client=client, domain="default", name="the engine", remote=False)
    code = follow(reached, {"workflowId": "ended", "runId": run_id}, as_json=as_json)
    coming_back.join()

    assert code == 1
    assert "enough" in capsys.readouterr().out


def test_a_service_that_is_not_there_at_all_is_an_error(tmp_path: Path) -> None:
    assert flowyd("--endpoint", f"unix://{tmp_path}/no.sock", "list", "--watch").code == 69


def test_on_a_terminal_the_picture_is_rewritten_in_place(engine: EngineProcess) -> None:
    start(engine, "first")
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", LINES="24", COLUMNS="80")
        os.execv(COMMAND[0], [*COMMAND, "--endpoint", engine.unix, "list", "--watch", "0.1"])
    written = _read_until(fd, r"first.*\x1b\[\d+A.*first")

    start(engine, "second")
    written += _read_until(fd, "second")
    os.write(fd, b"\x03")
    written += _read_to_the_end(fd)

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert "\x1b[2J" not in written
    assert "\x1b[?1049h" not in written
    assert "Traceback" not in written


def _read_until(fd: int, pattern: str, *, within_s: float = 20.0) -> str:
    written, deadline = "", time.monotonic() + within_s
    while not re.search(pattern, written, re.DOTALL):
        assert time.monotonic() < deadline, written
        if select.select([fd], [], [], 0.5)[0]:
            written += os.read(fd, 65_536).decode(errors="replace")
    return written


def _read_to_the_end(fd: int) -> str:
    written = ""
    while True:
        try:
            chunk = os.read(fd, 65_536)
        except OSError:
            # Linux's way to say that the other end of a terminal is closed.
            break
        if not chunk:
            break
        written += chunk.decode(errors="replace")
    os.close(fd)
    return written
