"""`python -m bench`: measures flowyd, its floor, and the peers that are installed, in one go.

The short form takes under five minutes; `--full` runs every scenario at every size for all peers, and the
growth curves. `--install` brings what peers need into the cache folder first.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from pathlib import Path

from bench import growth, machine, plot, table
from bench.figures import Figure, joined, to_line
from bench.peers import PEERS
from bench.runs import alternate
from bench.scenarios import FULL, SHORT
from bench.system import Peer, Shape

_SHORT_PEERS = "flowyd,floor,dbos"
_FULL_PEERS = "flowyd,floor,dbos,dbos-wal,restate,restate-calls,celery,boto3-moto,boto3-flowyd"
_SCENARIOS = "S1,S2,S3,S4,S5,S6,S7"


def main() -> int:
    """Measures, prints the table, writes table, JSON lines and plots where asked."""
    # So that what was started is also ended when the benchmark itself is told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = _options()
    names = (options.peers or (_FULL_PEERS if options.full else _SHORT_PEERS)).split(",")
    peers = _available([PEERS[name]() for name in names], install=options.install)
    base = Path(options.folder) if options.folder else None
    facts = machine.facts(base or Path(tempfile.gettempdir()))
    print(json.dumps(facts), file=sys.stderr)
    figures: list[Figure] = []

    def seen(figure: Figure) -> None:
        figures.append(figure)
        print(f"  {figure.system}: {figure.scenario} {figure.what}: {table.cell(figure)}", file=sys.stderr)

    if options.scenarios:
        alternate(
            peers,
            runs=options.runs or (5 if options.full else 3),
            sizes=FULL if options.full else SHORT,
            shape=Shape(decision_workers=options.decision_workers, activity_workers=options.activity_workers),
            wanted=frozenset(options.scenarios.split(",")),
            base=base,
            seen=seen,
        )
    curves = (
        options.curves if options.curves is not None else (",".join(growth.CURVES) if options.full else "")
    )
    for curve in filter(None, curves.split(",")):
        growth.CURVES[curve](base, seen)
    found = joined(figures)
    _write(options, facts, found, [peer.name for peer in peers])
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--full", action="store_true", help="every size, all peers, the growth curves")
    parser.add_argument("--peers", help=f"of {', '.join(PEERS)} (default {_SHORT_PEERS}; with --full all)")
    parser.add_argument("--install", action="store_true", help="install what peers need, outside the project")
    parser.add_argument("--scenarios", default=_SCENARIOS, help=f"some of {_SCENARIOS}; empty for none")
    parser.add_argument("--curves", help=f"growth curves, of {', '.join(growth.CURVES)}")
    parser.add_argument("--runs", type=int, help="runs of each peer (default 3; with --full 5)")
    parser.add_argument("--decision-workers", type=int, default=1)
    parser.add_argument("--activity-workers", type=int, default=4)
    parser.add_argument("--folder", help="where the temporary folders are made: the disk that is measured")
    parser.add_argument("--out", type=Path, help="folder for bench.md, bench.jsonl and the plots")
    return parser.parse_args()


def _available(peers: list[Peer], *, install: bool) -> list[Peer]:
    able = []
    for peer in peers:
        if peer.missing() and install:
            peer.install()
        if reason := peer.missing():
            print(f"{peer.name}: skipped, {reason}", file=sys.stderr)
        else:
            able.append(peer)
    return able


def _write(
    options: argparse.Namespace, facts: dict[str, object], figures: list[Figure], systems: list[str]
) -> None:
    compared = [figure for figure in figures if figure.scenario in _SCENARIOS.split(",")]
    curves = [figure for figure in figures if figure not in compared]
    text = ""
    if compared:
        text += table.markdown(table.rows(compared, systems))
    if curves:
        text += "\n" + table.markdown(table.curve_rows(curves))
    print(text)
    if options.out is None:
        return
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "bench.md").write_text(json.dumps(facts) + "\n\n" + text)
    lines = [json.dumps({"machine": facts}), *map(to_line, figures)]
    (options.out / "bench.jsonl").write_text("\n".join(lines) + "\n")
    if compared:
        (options.out / "bench.svg").write_text(plot.bars(compared, systems))
    for name in dict.fromkeys(figure.scenario for figure in curves):
        file = options.out / f"bench-{name}.svg"
        file.write_text(plot.lines([figure for figure in curves if figure.scenario == name]))


if __name__ == "__main__":
    sys.exit(main())
