"""`make demo`: the image workflow on a real daemon, with one worker killed on the way.

What happens here is what an operator would do by hand: write a configuration, drop two modules into a
folder, `flowyd run`, `flowyd start` for each picture, `kill -9`, SIGTERM. The demo exits 0 only if every
execution completed, the killed activity was done again by another worker, and no process is left.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bench.demo_daemon import Daemon, DemoError, new_folder
from bench.demo_pictures import PICTURES, paint
from bench.demo_progress import Progress, Stage, progress_of
from bench.demo_screen import ACTIVITIES, Screen, summary
from bench.demo_server import serving
from flowyd.swf.lean import LeanClient

PROCESSES = 4
#: The largest picture, whose colours take longest: its worker is the one that is killed.
VICTIM = PICTURES[0].name
VICTIM_ACTIVITY = "predominantcolor"
#: It is hit in the middle: its download takes two seconds.
KILL_AFTER_S = 0.5

#: Everything must be done by then.
ALL_S = 60.0
REFRESH_S = 0.1


@dataclass(frozen=True, slots=True)
class Execution:
    """One run, as `flowyd start` names it."""

    workflow_id: str
    run_id: str


class Demo:
    """One demo: a daemon, a screen, and the executions by the name of their picture."""

    def __init__(self, daemon: Daemon, screen: Screen) -> None:
        self.daemon = daemon
        self.screen = screen
        self.executions: dict[str, Execution] = {}
        #: The pid that was killed; 0 before.
        self.killed = 0

    def run(self) -> None:
        """The whole demo.

        Raises:
            DemoError: something did not go as it must.
        """
        self.start_daemon()
        with serving({picture.name: paint(picture) for picture in PICTURES}) as url:
            self.start_executions(url)
            progress = self.follow()
        self.report(progress)
        self.stop_daemon()

    def start_daemon(self) -> None:
        """The configuration, the modules, `flowyd run`."""
        began = time.monotonic()
        self.daemon.lay_out(processes=PROCESSES)
        self.screen.title(f"$ flowyd run --config {self.daemon.config}")
        self.daemon.start()
        status = self.daemon.wait_until_ready()
        self.screen.say(f"  ready after {time.monotonic() - began:.1f} s: daemon {status.pid}")
        if status.engine is not None:
            self.screen.say(f"  engine {status.engine.pid}")
        for pool in status.pools:
            pids = " ".join(str(worker.pid) for worker in pool.workers)
            self.screen.say(
                f"  pool {pool.name} ({pool.kind}): {pids}, serves {', '.join(pool.served_types)}"
            )

    def start_executions(self, url: str) -> None:
        """One execution per picture, each by a command of its own."""
        self.screen.title("One execution for each picture")
        for picture in PICTURES:
            size = f"{picture.megapixels:4.1f} megapixels"
            self.screen.say(f"  $ flowyd start imagecateg 1 {url}{picture.name:<12} # {size}")
        names = [picture.name for picture in PICTURES]
        with ThreadPoolExecutor(len(names)) as threads:
            started = threads.map(
                lambda name: self.daemon.command("start", "imagecateg", "1", url + name), names
            )
            for name, answer in zip(names, started, strict=True):
                self.executions[name] = Execution(answer["workflowId"], answer["runId"])

    def follow(self) -> dict[str, Progress]:
        """Shows them until all are closed, and kills one worker on the way.

        Raises:
            DemoError: they do not close, or there was nobody to kill.
        """
        self.screen.title("Progress")
        client = LeanClient(self.daemon.endpoint)
        deadline = time.monotonic() + ALL_S
        try:
            while time.monotonic() < deadline:
                progress = {name: progress_of(self.history(client, e)) for name, e in self.executions.items()}
                self.screen.show(progress, now=time.time())
                if all(one.closed for one in progress.values()):
                    return progress
                if not self.killed and _runs_for(progress[VICTIM], now=time.time()) >= KILL_AFTER_S:
                    self.kill_one()
                self.daemon.look()
                time.sleep(REFRESH_S)
        finally:
            client.close()
        raise DemoError(f"not all executions were closed after {ALL_S:g} s")

    def history(self, client: LeanClient, execution: Execution) -> Iterator[Mapping[str, Any]]:
        """All events of one execution."""
        request: dict[str, Any] = {
            "domain": "demo",
            "execution": {"workflowId": execution.workflow_id, "runId": execution.run_id},
        }
        while True:
            page = client.call("GetWorkflowExecutionHistory", request)
            yield from page["events"]
            if "nextPageToken" not in page:
                return
            request["nextPageToken"] = page["nextPageToken"]

    def kill_one(self) -> None:
        """kill -9 of the worker that sums the colours of the largest picture, found by `flowyd status`."""
        workflow_id = self.executions[VICTIM].workflow_id
        for pool in self.daemon.command("status")["pools"]:
            for worker in pool["workers"]:
                task = worker["task"] or {}
                if (task.get("workflow_id"), task.get("type_name")) == (workflow_id, VICTIM_ACTIVITY):
                    os.kill(worker["pid"], signal.SIGKILL)
                    self.killed = worker["pid"]
                    self.screen.say(f"  $ kill -9 {self.killed}    # it runs {VICTIM_ACTIVITY} of {VICTIM}")
                    return

    def report(self, progress: Mapping[str, Progress]) -> None:
        """What came out, and what became of the killed activity.

        Raises:
            DemoError: an execution did not complete, or the kill left no trace.
        """
        bad = {name: one for name, one in progress.items() if one.closed != "Completed"}
        if bad:
            lines = [f"{name}: {one.closed}: {one.result}" for name, one in bad.items()]
            raise DemoError("not every execution completed:\n  " + "\n  ".join(lines))
        self.screen.title("Results (seconds each activity took)")
        for line in summary(progress, self.screen):
            self.screen.say(line)
        first, *later = progress[VICTIM].of(VICTIM_ACTIVITY)
        if not self.killed or first.stage is not Stage.FAILED or not later:
            raise DemoError(f"no worker was killed while it ran {VICTIM_ACTIVITY} of {VICTIM}")
        self.screen.say()
        self.screen.say(f"  Worker {self.killed} died in {VICTIM_ACTIVITY} of {VICTIM}. The history says:")
        self.screen.say(f"    ActivityTaskFailed: {first.reason}")
        waited = later[0].started_at - first.closed_at
        done = sum(a.stage is Stage.COMPLETED for one in progress.values() for a in one.attempts)
        self.screen.say(f"  The workflow's RetryPolicy had it done again {waited:.1f} s later.")
        self.screen.say(f"  {done} activities completed for {len(progress)} pictures: each once, none lost.")
        if done != len(ACTIVITIES) * len(progress):
            raise DemoError(f"{len(ACTIVITIES)} activities should have completed for each picture")

    def stop_daemon(self) -> None:
        """SIGTERM, as systemd would.

        Raises:
            DemoError: another exit code than 0, or a process that is left.
        """
        assert self.daemon.process is not None
        self.screen.title(f"$ kill -TERM {self.daemon.process.pid}")
        code, took = self.daemon.stop()
        if code:
            raise DemoError(f"the daemon ended with {code}")
        self.screen.say(f"  stopped after {took:.1f} s with exit code 0; none of its processes is left")


def _runs_for(progress: Progress, *, now: float) -> float:
    """How long the activity to be hit has been running, seconds; 0 if it is not."""
    running = [a for a in progress.of(VICTIM_ACTIVITY) if a.stage is Stage.RUNNING]
    return now - running[0].started_at if running else 0.0


def say_what_is_next(screen: Screen, daemon: Daemon) -> None:
    """Commands to copy."""
    screen.title("The pictures are kept, everything else of the demo is gone. Try next:")
    picture = next(path for path in sorted(daemon.pictures.rglob("*.jpg")))
    url = f"http://127.0.0.1:8000/{picture.relative_to(daemon.pictures)}"
    flowyd = ".venv/bin/flowyd --config conf/development.toml"
    for meaning, command in (
        ("the daemon in the foreground, state under ./var", "make run"),
        (
            "in a second terminal, pictures to work on",
            f"python3 -m http.server -b 127.0.0.1 -d {daemon.pictures}",
        ),
        ("in a third one, a workflow from start to end", f"{flowyd} start --wait imagecateg 1 {url}"),
        ("engine, pools, workers", f"{flowyd} status"),
        ("what has run", f"{flowyd} list --all"),
        ("all of it, live", f"{flowyd} console"),
        ("a tour, and how to write your own", "less README.md docs/tutorial.md"),
    ):
        screen.say(f"  {screen.style(f'# {meaning}', 'dim')}")
        screen.say(f"  {command}")


@contextmanager
def interruptible() -> Iterator[None]:
    """Inside, SIGTERM and a closed terminal end the demo as Ctrl-C does, with everything cleaned up."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def clear(daemon: Daemon) -> None:
    """Removes the folder but for the pictures."""
    for entry in daemon.folder.iterdir():
        if entry.is_dir() and entry != daemon.pictures:
            shutil.rmtree(entry)
        elif entry != daemon.pictures:
            entry.unlink()


def main() -> int:
    """Runs the demo; 0 if all went as it must, 1 if not, 130 after Ctrl-C."""
    screen = Screen()
    daemon = Daemon(new_folder())
    with interruptible():
        try:
            Demo(daemon, screen).run()
        except KeyboardInterrupt:
            daemon.end()
            shutil.rmtree(daemon.folder)
            with contextlib.suppress(OSError):  # the terminal may be gone
                screen.say("interrupted; the daemon is stopped and its folder removed")
            return 130
        except Exception as error:
            say_what_went_wrong(screen, daemon, error)
            daemon.end()
            return 1
    clear(daemon)
    say_what_is_next(screen, daemon)
    return 0


def say_what_went_wrong(screen: Screen, daemon: Daemon, error: Exception) -> None:
    """The error, the end of the daemon's log, and where to look further."""
    text = str(error) if isinstance(error, DemoError) else f"{type(error).__name__}: {error}"
    if daemon.ended_with is not None:
        text = f"the daemon ended with {daemon.ended_with}; {text}"
    screen.say()
    screen.say(screen.style(f"The demo failed: {text}", "red"))
    for line in daemon.log_tail():
        screen.say(f"  | {line}")
    screen.say(f"Its folder is kept: {daemon.folder} (the daemon's whole log is daemon.log)")


if __name__ == "__main__":
    sys.exit(main())
