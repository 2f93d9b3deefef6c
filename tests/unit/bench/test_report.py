"""What a benchmark leaves behind: its text and its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.figures import Figure, from_line
from bench.report import Report

FACTS = {
    "processor": "a processor",
    "cores": 2,
    "memory_gib": 8.0,
    "kernel": "6.1",
    "file_system": "ext4",
    "python": "3.11",
    "sqlite": "3.40",
    "load_1min": 0.1,
    "fsync_ms": 0.2,
    "at": "2026-08-01 12:00 UTC",
}


def figure(system: str, value: float, *, scenario: str = "S1", x: float = 0) -> Figure:
    return Figure(
        scenario=scenario,
        what="latency",
        system=system,
        unit="ms",
        less_is_better=True,
        samples=(value,),
        x=x,
    )


@pytest.fixture
def report() -> Report:
    """Two runs of two systems, two points of a curve, and a failure."""
    figures = [figure("flowyd", 2), figure("other", 8), figure("flowyd", 4), figure("other", 10)]
    figures += [figure("flowyd", x / 100, scenario="open", x=x) for x in (100, 1_000)]
    return Report(
        facts=FACTS,
        systems=["flowyd", "other"],
        rivals=frozenset({"other"}),
        figures=figures,
        left_out=["absent: not installed"],
        failures=["broken: OSError: no such program"],
    )


def test_text_has_machine_table_curve_and_failures(report: Report) -> None:
    text = report.for_pages()

    assert text.startswith("2 cores of a processor")
    assert "| S1 latency | 3.00 ms (2.00 to 4.00) | 9.00 ms (8.00 to 10.0) | 3.00 times " in text
    assert "| open  | 1,000 | latency | 10.0 ms" in text
    assert "\n\n- absent: not installed\n\n" in text
    assert text.endswith("Failed:\n\n- broken: OSError: no such program\n")


def test_text_for_a_terminal_has_a_line_for_each_system(report: Report) -> None:
    lines = report.for_terminal().splitlines()

    assert [line.split("|")[2:-1] for line in lines if " ms " in line][:2] == [
        [" flowyd ", " 3.00 ms ", " 2.00 to 4.00  ", "        ", "                   "],
        [" other  ", " 9.00 ms ", " 8.00 to 10.0  ", "        ", " 3.00 times        "],
    ]


def test_every_sample_is_in_the_lines_of_json(report: Report, tmp_path: Path) -> None:
    report.write(tmp_path)

    _, *lines = (tmp_path / "bench.jsonl").read_text().splitlines()
    assert [from_line(line).samples for line in lines] == [(2, 4), (8, 10), (1,), (10,)]


def test_the_scenarios_and_each_curve_have_a_picture(report: Report, tmp_path: Path) -> None:
    report.write(tmp_path)

    assert {file.name for file in tmp_path.glob("*.svg")} == {"bench.svg", "bench-open.svg"}


def test_a_report_of_nothing_has_the_machine() -> None:
    report = Report(facts=FACTS, systems=[], rivals=frozenset())

    assert report.for_terminal().count("\n") == 1
