"""Runs inside a machine with systemd, as root: installs the units and tries what an operator does.

Expects the project's folder at /opt/flowyd/project and its libraries at /opt/flowyd/libraries.
Prints one line per fact, and the journal if one does not hold.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROJECT = Path("/opt/flowyd/project")
ACTIVITIES = Path("/etc/flowyd/activities")
WORKFLOWS = Path("/etc/flowyd/workflows")

CONFIG = """
[flowyd]
[[pool]]
name = "deciders"
kind = "decision"
task_list = "decide"
[[pool]]
name = "workers"
kind = "activity"
task_list = "work"
processes = 2
stop_timeout = "20s"
"""


def sh(command: str, *, check: bool = True) -> str:
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    if check and done.returncode != 0:
        raise AssertionError(f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def until(look: Callable[[], object], what: str, within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not look():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {what}")
        time.sleep(0.05)
    print("ok:", what, flush=True)


def status() -> dict[str, Any]:
    return dict(json.loads(sh("flowyd status --json")))


def fact(holds: object, what: str) -> None:
    if not holds:
        raise AssertionError(what)
    print("ok:", what, flush=True)


def prop(name: str) -> str:
    return sh(f"systemctl show flowyd -p {name} --value").strip()


def install() -> None:
    """What a package does: the program, the units, the user, the directories."""
    Path("/usr/bin/flowyd").write_text(
        "#!/bin/sh\nexec env PYTHONPATH=/opt/flowyd/project:/opt/flowyd/libraries "
        'PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m flowyd "$@"\n'
    )
    os.chmod("/usr/bin/flowyd", 0o755)
    units = PROJECT / "units"
    for name in ("flowyd.service", "flowyd.socket"):
        shutil.copy(units / name, "/etc/systemd/system")
    shutil.copy(units / "flowyd.sysusers.conf", "/usr/lib/sysusers.d/flowyd.conf")
    shutil.copy(units / "flowyd.tmpfiles.conf", "/usr/lib/tmpfiles.d/flowyd.conf")
    if int(sh("systemctl --version").split()[1]) < 253:
        drop_in = Path("/etc/systemd/system/flowyd.service.d")
        drop_in.mkdir(exist_ok=True)
        shutil.copy(units / "flowyd-before-253.conf", drop_in / "reload.conf")
    sh("systemd-sysusers && systemd-tmpfiles --create flowyd.conf && systemctl daemon-reload")
    Path("/etc/flowyd.toml").write_text(CONFIG)
    sys.path.insert(0, str(PROJECT / "tests" / "system"))
    sys.path[:0] = [str(PROJECT), "/opt/flowyd/libraries"]
    import running_daemon

    (ACTIVITIES / "tasks.py").write_text(running_daemon.ACTIVITIES)
    (WORKFLOWS / "flows.py").write_text(running_daemon.WORKFLOWS)


def begin(*words: str) -> str:
    return str(json.loads(sh("flowyd start --json " + " ".join(words)))["workflowId"])


def is_completed(workflow_id: str) -> bool:
    shown = sh(f"flowyd show {workflow_id} --json", check=False)
    return bool(shown) and json.loads(shown)["executionInfo"].get("closeStatus") == "COMPLETED"


def runs_a_workflow(when: str) -> None:
    workflow_id = begin("tutorial", "1", "--json-args", "[5]")
    until(lambda: is_completed(workflow_id), f"a workflow runs {when}")


def starts() -> None:
    began = time.monotonic()
    sh("systemctl start flowyd.socket flowyd.service")
    print(f"started in {time.monotonic() - began:.2f} s", flush=True)
    fact(prop("ActiveState") == "active", "active")
    fact("3/3 workers" in prop("StatusText"), "STATUS says 3/3 workers")
    fact(prop("Type").startswith("notify"), f"type {prop('Type')}")
    runs_a_workflow("after the start")


def reloads() -> None:
    (ACTIVITIES / "broken.py").write_text("import nothing_of_this_name")
    sh("systemctl reload flowyd")
    until(lambda: "1 broken" in prop("StatusText"), "a broken module is told in STATUS")
    runs_a_workflow("beside a broken module")
    (ACTIVITIES / "broken.py").unlink()
    sh("systemctl reload flowyd")
    until(lambda: "3/3 workers, 0 broken" in prop("StatusText"), "it is gone after it was removed")


def survives_kills() -> None:
    daemon = status()
    os.kill(daemon["pools"][1]["workers"][0]["pid"], signal.SIGKILL)
    runs_a_workflow("after kill -9 of a worker")
    os.kill(daemon["engine"]["pid"], signal.SIGKILL)
    runs_a_workflow("after kill -9 of the engine")
    os.kill(int(prop("MainPID")), signal.SIGKILL)
    until(lambda: prop("NRestarts") == "1" and prop("ActiveState") == "active", "restarted after kill -9")
    runs_a_workflow("after kill -9 of the supervisor")


def restarts_during_an_activity() -> None:
    folder = Path("/var/lib/flowyd/gate")
    folder.mkdir()
    shutil.chown(folder, "flowyd")
    held = begin("through", "1", str(folder), "kept")
    until((folder / "begun").exists, "an activity runs")
    restart = subprocess.Popen(["systemctl", "restart", "flowyd"])
    until(lambda: "stopping" in prop("StatusText"), "the stop waits for it")
    (folder / "open").touch()
    fact(restart.wait(30) == 0, "restart done")
    until(lambda: is_completed(held), "its result was kept over the restart")


def is_started_by_a_caller() -> None:
    sh("systemctl stop flowyd.service")
    caller = subprocess.Popen("flowyd start tutorial 1 --json-args [7]", shell=True, stdout=subprocess.PIPE)
    fact(caller.wait(30) == 0, "a caller of the stopped service is served by socket activation")


def is_watched() -> None:
    before = prop("MainPID")
    os.kill(int(before), signal.SIGSTOP)
    until(lambda: prop("MainPID") not in ("0", before), "the watchdog restarts a stopped supervisor", 120)
    until(lambda: prop("ActiveState") == "active", "it is active again")
    runs_a_workflow("after the watchdog")


def journals() -> None:
    journal = [json.loads(line) for line in sh("journalctl -u flowyd -o json").splitlines()]
    errors = [entry for entry in journal if entry.get("POOL") == "workers" and entry.get("PRIORITY") == "3"]
    fact(errors, "the journal has severities and fields")
    print(sh("systemd-analyze security --no-pager flowyd | tail -1").strip())


def main() -> None:
    install()
    starts()
    reloads()
    survives_kills()
    restarts_during_an_activity()
    is_started_by_a_caller()
    is_watched()
    journals()


try:
    main()
except BaseException:
    print(sh("systemctl status flowyd; journalctl -u flowyd --no-pager | tail -60", check=False))
    raise
