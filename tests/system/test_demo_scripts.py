"""The samples as the tutorial's scripts: `python activities/images.py` is one activity worker, and so on."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[2]


@contextmanager
def running(*words: str, environment: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Python program that is told to end when the block is left, and does."""
    process = subprocess.Popen([sys.executable, *words], env=environment, cwd=folder)
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(20) == 0, words


def flowyd(*words: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The command line, done."""
    return subprocess.run(
        [sys.executable, "-m", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def until(found: str, *words: str, environment: dict[str, str]) -> str:
    """What the command prints once it has this in it."""
    deadline = time.monotonic() + 20
    while found not in (printed := flowyd(*words, environment=environment).stdout):
        assert time.monotonic() < deadline, printed
        time.sleep(0.1)
    return printed


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def test_the_samples_run_as_scripts(tmp_path: Path) -> None:
    Image.new("RGB", (800, 600), (20, 60, 220)).save(tmp_path / "lake.png")
    endpoint, port = f"http://127.0.0.1:{free_port()}", free_port()
    here = {**os.environ, "FLOWYD_ENDPOINT": endpoint, "IMAGES_DIR": str(tmp_path / "pictures")}
    engine = ("--listen", endpoint.removeprefix("http://"), "--any-credentials", "--database", "swf.db")

    with ExitStack() as programs:
        for words in (
            ("-m", "flowyd", "engine", *engine),
            (str(ROOT / "activities" / "images.py"),),
            (str(ROOT / "workflows" / "imagecateg.py"),),
        ):
            programs.enter_context(running(*words, environment=here, folder=tmp_path))
        web = subprocess.Popen(
            [sys.executable, "-m", "http.server", str(port), "-b", "127.0.0.1", "-d", str(tmp_path)]
        )
        programs.callback(web.wait)
        programs.callback(web.kill)
        types = ("flowyd", "types", "--domain", "flowydtutorial")
        for name in ("imagecateg", "resize", "predominantcolor", "renameimage"):
            until(name, *types, environment=here)

        url = f"http://127.0.0.1:{port}/lake.png"
        started = flowyd("flowyd.swf", "flowydtutorial", "imagecateg", "1", url, environment=here)
        closed = until(
            "COMPLETED", "flowyd", "list", "--all", "--domain", "flowydtutorial", "--json", environment=here
        )

    assert started.returncode == 0, started.stderr
    (execution,) = json.loads(closed)["executions"]
    assert execution["execution"]["runId"] in started.stdout
    (picture,) = (tmp_path / "pictures" / "blue").iterdir()
    with Image.open(picture) as copy:
        assert copy.size == (256, 192)
