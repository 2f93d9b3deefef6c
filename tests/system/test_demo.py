"""`make demo` as a real process: what it prints, what it leaves, and how it ends when things go wrong."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]


@contextmanager
def demo(temporary: Path) -> Iterator[subprocess.Popen[str]]:
    """A running demo whose folder is made in `temporary`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.demo"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(20)


def read_until(process: subprocess.Popen[str], found: Callable[[str], bool]) -> str:
    """What it printed up to the first such line."""
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if found(line):
            return text
    pytest.fail(f"the demo ended early:\n{text}")


def daemon_of(process: subprocess.Popen[str]) -> psutil.Process:
    """Its `flowyd run`."""
    children = psutil.Process(process.pid).children()
    return next(child for child in children if "flowyd: supervisor" in " ".join(child.cmdline()))


def nobody_left(processes: list[psutil.Process]) -> bool:
    """Whether all end within five seconds."""
    _, alive = psutil.wait_procs(processes, timeout=5)
    return all(process.status() == psutil.STATUS_ZOMBIE for process in alive)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("d")


@pytest.fixture(scope="module")
def printed(folder: Path) -> str:
    """What a demo prints that nobody disturbs; it exits 0."""
    with demo(folder) as process:
        text = process.communicate(timeout=90)[0]
        assert process.returncode == 0, text
    return text


def test_each_picture_is_filed_under_its_color(printed: str) -> None:
    rows = dict(re.findall(r"^  (\w+\.\w+) .* (\w+) +/\S+/pictures/\2/\S+\.jpg$", printed, re.MULTILINE))

    assert rows == {
        "glacier.jpg": "blue",
        "sunset.jpg": "red",
        "forest.jpg": "green",
        "poppies.png": "red",
        "lake.png": "blue",
        "pebbles.jpg": "grey",
    }


def test_the_pictures_are_real_and_all_that_is_left(printed: str, folder: Path) -> None:
    (left,) = folder.iterdir()

    assert [entry.name for entry in left.iterdir()] == ["pictures"]
    paths = re.findall(r"\S+/pictures/\w+/\S+\.jpg$", printed, re.MULTILINE)
    for path in paths[:6]:
        with Image.open(path) as picture:
            picture.load()
            assert max(picture.size) == 256


def test_the_killed_worker_is_the_activitys_failure_and_nothing_is_lost(printed: str) -> None:
    pid = re.search(r"^  \$ kill -9 (\d+) ", printed, re.MULTILINE)

    assert pid is not None
    assert f"ActivityTaskFailed: worker died: killed by SIGKILL (pool images, pid {pid[1]})" in printed
    assert "18 activities completed for 6 pictures" in printed


def test_no_escape_sequences_go_to_a_file(printed: str) -> None:
    assert "\x1b" not in printed


def test_the_daemon_ends_with_0(printed: str) -> None:
    assert re.search(r"stopped after [\d.]+ s with exit code 0; none of its processes is left", printed)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_an_interrupt_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    with demo(tmp_path) as process:
        read_until(process, lambda line: "predominantcolor started" in line)
        below = psutil.Process(process.pid).children(recursive=True)

        process.send_signal(number)

        assert process.wait(20) == 130
    assert nobody_left(below)
    assert list(tmp_path.iterdir()) == []


def test_a_daemon_that_dies_is_told_with_its_log_and_folder(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        read_until(process, lambda line: "predominantcolor started" in line)
        below = psutil.Process(process.pid).children(recursive=True)

        daemon_of(process).kill()
        assert process.stdout is not None
        text = process.stdout.read()

        assert process.wait(20) == 1
    (left,) = tmp_path.iterdir()
    assert "The demo failed: the daemon ended with -9" in text
    assert f"Its folder is kept: {left}" in text
    assert (left / "daemon.log").exists()
    assert "  | " in text
    assert nobody_left(below)
