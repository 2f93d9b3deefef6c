"""`python -m bench`: measures flowyd, its floor, and the peers that are installed, in one go.

The short form takes under five minutes; `--full` runs every scenario at every size for all peers, and the
growth curves, in under three quarters of an hour. `--install` brings what peers need into the cache folder
first.
What was measured is shown and written even if something fails or the run is ended early.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import growth, machine, table
from bench.figures import Figure
from bench.peers import PEERS, RIVALS
from bench.report import Report
from bench.runs import Plan, alternate, surviving
from bench.scenarios import FULL, SHORT
from bench.system import Peer, Shape

_SHORT_PEERS = "flowyd,floor,restate,dbos"
_FULL_PEERS = ",".join(name for name in PEERS if name != "flowyd-normal")
_SCENARIOS = "S1,S2,S3,S4,S5,S6,S7"


def main() -> int:
    """Measures, prints the table, writes table, JSON lines and plots where asked; 1 if something failed."""
    # So that what was started is also ended when the benchmark itself is told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = _options()
    names = (options.peers or (_FULL_PEERS if options.full else _SHORT_PEERS)).split(",")
    peers, left_out = _available([PEERS[name]() for name in names], install=options.install)
    base = Path(options.folder) if options.folder else None
    report = Report(
        facts=machine.facts(base or Path(tempfile.gettempdir())),
        systems=[peer.name for peer in peers],
        rivals=frozenset(PEERS[name]().name for name in RIVALS),
        left_out=left_out,
    )
    print(machine.described(report.facts), file=sys.stderr)

    def seen(figure: Figure) -> None:
        report.figures.append(figure)
        print(f"  {figure.system}: {figure.scenario} {figure.what}: {table.cell(figure)}", file=sys.stderr)

    try:
        if options.scenarios:
            report.failures += alternate(peers, _plan(options), base=base, seen=seen)
        for curve in _curves(options):
            with surviving(f"curve {curve}", report.failures):
                growth.CURVES[curve](base, seen)
    finally:
        print(report.for_terminal())
        if options.out is not None:
            report.write(options.out)
            print(f"Written to {options.out}: bench.md, bench.jsonl with every sample, pictures")
    return 1 if report.failures else 0


def _plan(options: argparse.Namespace) -> Plan:
    return Plan(
        sizes=FULL if options.full else SHORT,
        shape=Shape(decision_workers=options.decision_workers, activity_workers=options.activity_workers),
        wanted=frozenset(options.scenarios.split(",")),
        busy_runs=options.runs or 3,
        idle_runs=options.runs or 1,
        recovery_runs=options.runs or (2 if options.full else 1),
    )


def _curves(options: argparse.Namespace) -> list[str]:
    if options.curves is not None:
        return [name for name in options.curves.split(",") if name]
    return list(growth.CURVES) if options.full else []


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--full", action="store_true", help="every size, all peers, the growth curves")
    parser.add_argument("--peers", help=f"of {', '.join(PEERS)} (default {_SHORT_PEERS}; with --full all)")
    parser.add_argument("--install", action="store_true", help="install what peers need, outside the project")
    parser.add_argument("--scenarios", default=_SCENARIOS, help=f"some of {_SCENARIOS}; empty for none")
    parser.add_argument("--curves", help=f"growth curves, of {', '.join(growth.CURVES)}")
    parser.add_argument("--runs", type=int, help="runs of everything (default 3 of S1 to S4 and S6)")
    parser.add_argument("--decision-workers", type=int, default=1)
    parser.add_argument("--activity-workers", type=int, default=4)
    parser.add_argument("--folder", help="where the temporary folders are made: the disk that is measured")
    parser.add_argument("--out", type=Path, help="folder for bench.md, bench.jsonl and the plots")
    return parser.parse_args()


def _available(peers: list[Peer], *, install: bool) -> tuple[list[Peer], list[str]]:
    """Those that can be measured here; the others with the reason."""
    able, left_out = [], []
    for peer in peers:
        reason = peer.missing()
        if reason and install:
            try:
                peer.install()
                reason = peer.missing()
            except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
                reason = f"could not be installed: {error}"
        if reason:
            left_out.append(f"{peer.name}: {reason}")
            print(f"left out, {left_out[-1]}", file=sys.stderr)
        else:
            able.append(peer)
    return able, left_out


if __name__ == "__main__":
    sys.exit(main())
