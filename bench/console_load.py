"""The console under load: `python -m bench.console_load` fills a real daemon and measures a real console.

A daemon is started with many workers that only poll, its engine is filled with open executions and one long
history, and `flowyd console` is run in a pseudo-terminal. From key to picture is the time from writing the
key to the last byte of the burst of output that holds the sign of what the key does: the cursor's bar, the
count of what matches. CPU is the console's share of one core while nobody touches it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench.console_terminal import ConsoleTerminal
from bench.demo_daemon import FLOWYD, Daemon, DemoError, new_folder
from flowyd.swf.lean import LeanClient

DOMAIN = "demo"
LONG = "the-long-one"

CONFIG = """\
[flowyd]
domain = "{domain}"
activities = ["activities"]
workflows = ["workflows"]
state_dir = "state"
runtime_dir = "run"

[[pool]]
name = "pollers"
kind = "activity"
task_list = "nothing"
processes = {workers}
"""

#: The workers' only module: they poll a list to which nothing is ever given.
ACTIVITY = """\
from flowyd import Activity, activity


@activity("nothing", 1, "nothing")
class Nothing(Activity):
    def run(self):
        return None
"""

#: The main screens by their digit, and what each shows when it is filled, not before.
SCREENS = {
    "2": ("Workers", "list nothing"),
    "3": ("Lists", "nobody"),
    "4": ("Types", "imagecateg"),
    "5": ("Modules", "nothing 1"),
    "6": ("Domains", "registered"),
    "8": ("Events", "is ready"),
    "1": ("Executions", "order-"),
}
#: A daemon of hundreds of workers starts them one after the other.
READY_S = 180.0


def main(words: Sequence[str] | None = None) -> int:
    """Measures and prints; 0."""
    options = _options(words)
    folder = new_folder()
    try:
        with _daemon(folder, workers=options.workers, ready_s=READY_S) as daemon:
            _fill(daemon.endpoint, executions=options.executions, events=options.events)
            figures = dict(measure(daemon, keys=options.keys, idle_s=options.idle, events=options.events))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    figures = {"executions": options.executions, "workers": options.workers, **figures}
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        for name, value in figures.items():
            print(f"{name:<44} {value}")
    return 0


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.console_load", description=__doc__.splitlines()[0])
    parser.add_argument("--executions", type=int, default=10_000, help="how many are open")
    parser.add_argument("--events", type=int, default=10_000, help="events of the longest history")
    parser.add_argument("--workers", type=int, default=200, help="processes that poll")
    parser.add_argument("--keys", type=int, default=40, help="how often each key is pressed")
    parser.add_argument("--idle", type=float, default=10.0, help="seconds over which CPU is measured")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(words)


@contextmanager
def _daemon(folder: Path, *, workers: int, ready_s: float) -> Iterator[Daemon]:
    daemon = Daemon(folder)
    for name in ("activities", "workflows", "state", "run"):
        (folder / name).mkdir(mode=0o700)
    (folder / "activities" / "nothing.py").write_text(ACTIVITY)
    daemon.config.write_text(CONFIG.format(domain=DOMAIN, workers=workers))
    try:
        daemon.start()
        _wait_until_polling(daemon, ready_s)
        yield daemon
        daemon.stop()
    finally:
        daemon.end()


def _wait_until_polling(daemon: Daemon, ready_s: float) -> None:
    deadline = time.monotonic() + ready_s
    while time.monotonic() < deadline:
        status = daemon.status()
        if status is not None and all(w.state == "polling" for p in status.pools for w in p.workers):
            return
        if daemon.ended_with is not None:
            raise DemoError("\n".join(["the daemon ended", *daemon.log_tail()]))
        time.sleep(0.5)
    raise DemoError(f"not all workers polled after {ready_s:g} s")


def _fill(endpoint: str, *, executions: int, events: int) -> None:
    """Starts executions that nobody decides, and signals one of them until its history is long."""
    client = LeanClient(endpoint)
    kind = {"name": "imagecateg", "version": "1"}
    client.call(
        "RegisterWorkflowType",
        {
            "domain": DOMAIN,
            **kind,
            "defaultTaskList": {"name": "nobody"},
            "defaultChildPolicy": "TERMINATE",
            "defaultTaskStartToCloseTimeout": "60",
            "defaultExecutionStartToCloseTimeout": "86400",
        },
    )
    for number in range(executions):
        _start(client, kind, f"order-{number:05}", tags=[f"batch-{number % 50}", "nightly"])
    if events:
        _start(client, kind, LONG, tags=["long"])
        for number in range(events - 2):
            client.call(
                "SignalWorkflowExecution",
                {"domain": DOMAIN, "workflowId": LONG, "signalName": "tick", "input": f"[{number}]"},
            )
    client.close()


def _start(client: LeanClient, kind: dict[str, str], workflow_id: str, *, tags: list[str]) -> None:
    client.call(
        "StartWorkflowExecution",
        {
            "domain": DOMAIN,
            "workflowId": workflow_id,
            "workflowType": kind,
            "input": json.dumps([[f"https://pictures.example/{workflow_id}.jpg"], {}]),
            "tagList": tags,
        },
    )


def measure(daemon: Daemon, *, keys: int, idle_s: float, events: int) -> Iterator[tuple[str, str]]:
    """The figures of one console on the daemon, by name, as they come."""
    environment = {**os.environ, "XDG_STATE_HOME": str(daemon.folder), "XDG_CACHE_HOME": str(daemon.folder)}
    command = [*FLOWYD, "--config", str(daemon.config), "console"]
    with ConsoleTerminal(command, environment=environment) as terminal:
        yield "first picture after the command", _ms(terminal.until("newest", began_at=terminal.began_at))
        terminal.settle(3.0)
        yield "CPU on Executions, idle", _cpu(terminal, idle_s)
        yield "cursor down", _summary(_press(terminal, "j", "▌", keys))
        yield "page down", _summary(_press(terminal, "\x06", "▌", keys))
        yield "filter keystroke", _summary(_type(terminal))
        terminal.press("\x1b")
        terminal.settle(3.0)
        for digit, (name, sign) in SCREENS.items():
            yield f"{name} fills", _ms(terminal.until(sign, began_at=terminal.press(digit)))
            terminal.settle(1.0)
        terminal.press("2")
        terminal.settle(3.0)
        yield "CPU on Workers, idle", _cpu(terminal, idle_s)
        yield "cursor down on Workers", _summary(_press(terminal, "j", "▌", keys))
        terminal.until("order-", began_at=terminal.press("1"))
        terminal.settle(3.0)
        terminal.press("/")
        terminal.settle(0.5)
        terminal.press(f"id:{LONG}")
        terminal.until("1 match")
        terminal.press("\r")
        terminal.settle(1.0)
        opened_at = terminal.press("\r")
        yield "a history of that length begins", _ms(terminal.until("coming", began_at=opened_at))
        # The newest event's input: it stands only in what is shown of the whole.
        yield "and the whole of it", _ms(terminal.until(f"{events - 3}", began_at=opened_at))
        terminal.settle(3.0)
        yield "CPU on the execution, idle", _cpu(terminal, idle_s)
        terminal.press("h")
        terminal.settle(1.0)
        yield "cursor down in its history", _summary(_press(terminal, "j", "▌", keys))
        terminal.press("w")
        terminal.settle(1.0)
        yield "cursor down in its JSON", _summary(_press(terminal, "j", "▌", keys))


def _press(terminal: ConsoleTerminal, key: str, sign: str, count: int) -> list[float]:
    """Seconds from key to picture, several times."""
    took = []
    for number in range(count):
        terminal.settle(0.05 + 0.013 * (number % 10))
        took.append(terminal.until(sign, began_at=terminal.press(key)))
    return took


def _type(terminal: ConsoleTerminal) -> list[float]:
    """Seconds from each letter of a filter to the count of what matches."""
    terminal.press("/")
    terminal.settle(1.0)
    took = []
    for text in ("order-12", "tag:batch-7"):
        for letter in text:
            terminal.settle(0.3)
            began_at = terminal.press(letter)
            took.append(terminal.until(" closed", began_at=began_at))
        terminal.press("\x7f" * len(text))
        terminal.settle(2.0)
    return took


def _cpu(terminal: ConsoleTerminal, seconds: float) -> str:
    """The console's share of one core while nobody touches it."""
    process = psutil.Process(terminal.pid)
    before = process.cpu_times()
    began_at = time.monotonic()
    terminal.settle(seconds)
    after = process.cpu_times()
    used = after.user + after.system - before.user - before.system
    return f"{100 * used / (time.monotonic() - began_at):.1f} %"


def _summary(took: Sequence[float]) -> str:
    ordered = sorted(took)
    last = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    return f"{_ms(statistics.median(ordered))} median, {_ms(last)} at 95 %, {_ms(ordered[-1])} at most"


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms"


if __name__ == "__main__":
    sys.exit(main())
