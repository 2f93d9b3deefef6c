"""The short form of `python -m bench.storm`: anything is killed, changed and broken, and nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_storm_loses_nothing_doubles_nothing_and_leaves_nothing_behind() -> None:
    options = ["--workflows", "100", "--seconds", "20", "--pause", "0.3", "--seed", "2"]

    storm = subprocess.run(
        [sys.executable, "-m", "bench.storm", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert storm.returncode == 0, storm.stdout + storm.stderr
    assert storm.stdout.endswith("no process is left\n")
