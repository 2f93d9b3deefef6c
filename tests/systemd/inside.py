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

LAB_ACTIVITIES = """
import grp, os, pwd
from flowyd import activity

@activity("secret", 1, "work", start_to_close=20)
def secret():
    with open(os.environ["AWS_SHARED_CREDENTIALS_FILE"]) as file:
        return file.read()

@activity("devour", 1, "work", start_to_close=60)
def devour():
    kept = []
    while True:
        kept.append(bytearray(os.urandom(4096) * 1024))

@activity("who", 1, "work", start_to_close=20)
def who():
    groups = sorted(grp.getgrgid(gid).gr_name for gid in os.getgroups())
    return [pwd.getpwuid(os.getuid()).pw_name, groups, os.environ["HOME"]]
"""

LAB_WORKFLOWS = """
from flowyd import ActivityProxy, Workflow, workflow

@workflow("tells", 1, "decide")
class Tells(Workflow):
    secret = ActivityProxy("secret", 1, retry=0)
    devour = ActivityProxy("devour", 1, retry=0)
    who = ActivityProxy("who", 1, retry=0)

    def run(self, name):
        return getattr(self, name)()
"""

#: A daemon of root's own, with workers of another user.
ROOT_CONFIG = """
[flowyd]
state_dir = "/var/lib/lab"
runtime_dir = "/run/lab"
[[pool]]
name = "deciders"
kind = "decision"
task_list = "decide"
[[pool]]
name = "workers"
kind = "activity"
task_list = "work"
user = "olga"
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
    Path("/etc/flowyd").mkdir()
    Path("/etc/flowyd/aws-credentials").write_text("[default]\naws_access_key_id = lab\n")
    os.chmod("/etc/flowyd/aws-credentials", 0o600)
    sh("flowyd install --program /usr/bin/flowyd --aws")
    again = {one["what"] for one in json.loads(sh("flowyd install --program /usr/bin/flowyd --aws --json"))}
    fact(again == {"unchanged"}, "installing again changes nothing")
    Path("/etc/flowyd.toml").write_text(CONFIG)
    sys.path.insert(0, str(PROJECT / "tests" / "system"))
    sys.path[:0] = [str(PROJECT), "/opt/flowyd/libraries"]
    import running_daemon

    (ACTIVITIES / "tasks.py").write_text(running_daemon.ACTIVITIES)
    (WORKFLOWS / "flows.py").write_text(running_daemon.WORKFLOWS)
    (ACTIVITIES / "lab.py").write_text(LAB_ACTIVITIES)
    (WORKFLOWS / "lab.py").write_text(LAB_WORKFLOWS)


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


def outcome(workflow_id: str, flowyd: str = "flowyd") -> Any:
    """The event that closed the execution, waited for."""

    def last() -> dict[str, Any]:
        events = json.loads(sh(f"{flowyd} history {workflow_id} --json"))["events"]
        return dict(events[-1]) if "ExecutionStarted" not in events[-1]["eventType"] else {}

    closed = ("WorkflowExecutionCompleted", "WorkflowExecutionFailed")
    until(lambda: last().get("eventType") in closed, f"{workflow_id} closes")
    return last()


def sees_its_credentials() -> None:
    fact("AWS_SHARED_CREDENTIALS_FILE=/run/credentials/" in prop("Environment"), "AWS keys are a credential")
    reads = "systemd-run --wait --quiet -p User=flowyd -p LoadCredential=a:/etc/flowyd/aws-credentials "
    if subprocess.run(reads + "sh -c 'cat $CREDENTIALS_DIRECTORY/a'", shell=True).returncode != 0:
        print("this machine's systemd hands no credentials to services; not tried further")
        return
    closed = outcome(begin("tells", "1", "secret"))
    result = closed["workflowExecutionCompletedEventAttributes"]["result"]
    fact("aws_access_key_id = lab" in result, "workers read the keys that LoadCredential hands over")
    mode = os.stat("/etc/flowyd/aws-credentials").st_mode & 0o777
    fact(mode == 0o600, "which are root's alone")


def names_want_of_memory() -> None:
    sh("systemctl set-property --runtime flowyd.service MemoryMax=200M")
    closed = outcome(begin("tells", "1", "devour"))
    told = json.dumps(closed)
    fact("killed by SIGKILL: out of memory" in told, "a death for want of memory is named as such")
    fact(prop("ActiveState") == "active", "and the daemon lives on")
    sh("systemctl set-property --runtime flowyd.service MemoryMax=infinity")


def knows_roles() -> None:
    for group in ("ops", "watch"):
        sh(f"groupadd {group}")
    for user, groups in (("olga", "-G ops"), ("wim", "-G watch"), ("xaver", "")):
        sh(f"useradd --create-home {groups} {user}")
    Path("/etc/flowyd.toml").write_text(
        CONFIG.replace("[flowyd]\n", '[flowyd]\noperators_group = "ops"\nviewers_group = "watch"\n')
    )
    sh("systemctl reload flowyd")
    tried = {
        (user, command): subprocess.run(
            ["runuser", "-u", user, "--", "flowyd", *command.split()], capture_output=True, text=True
        )
        for user in ("olga", "wim", "xaver")
        for command in ("quarantine", "resume workers")
    }
    allowed = {key for key, done in tried.items() if done.returncode == 0}
    fact(
        allowed == {("olga", "quarantine"), ("olga", "resume workers"), ("wim", "quarantine")},
        "operators change, viewers look, strangers do neither",
    )
    fact(
        "may not resume; root, the daemon's user and members of ops may"
        in tried["wim", "resume workers"].stderr,
        "a viewer is told who may",
    )
    fact("may not look" in tried["xaver", "quarantine"].stderr, "a stranger is told so")
    journal = [json.loads(line) for line in sh("journalctl -u flowyd -o json COMMAND=resume").splitlines()]
    fact(
        {entry["TARGET"] for entry in journal} == {"workers"}, "each change is in the journal with its target"
    )


def gives_workers_a_user() -> None:
    Path("/etc/lab.toml").write_text(ROOT_CONFIG)
    flowyd = "flowyd --config /etc/lab.toml"
    sh("flowyd run --daemon --config /etc/lab.toml")
    until(lambda: sh(f"{flowyd} status --json", check=False), "a daemon of root's runs in the background")
    pid = int(Path("/run/lab/flowyd.pid").read_text())
    workflow_id = str(json.loads(sh(f"{flowyd} start --json tells 1 who"))["workflowId"])
    result = outcome(workflow_id, flowyd)["workflowExecutionCompletedEventAttributes"]["result"]
    fact(json.loads(result) == ["olga", ["olga", "ops"], "/home/olga"], "its workers are of the pool's user")
    workers = json.loads(sh(f"{flowyd} status --json"))["pools"][1]["workers"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{workers[0]['pid']}").exists(), "they do not outlive the daemon")


def says_whom_it_cannot_become() -> None:
    bare = "systemd-run --wait --pipe --quiet -p CapabilityBoundingSet= "
    tried = subprocess.run(
        bare + "flowyd run --config /etc/lab.toml", shell=True, capture_output=True, text=True
    )
    fact(tried.returncode == 78, "root without the rights of root is told so before anything starts")
    fact("may not become olga (Operation not permitted)" in tried.stdout + tried.stderr, "by name")


def gives_workers_a_user_in_the_sandbox() -> None:
    pools = CONFIG.replace('"workers"\n', '"workers"\nuser = "olga"\n')
    Path("/etc/flowyd.toml").write_text(pools.replace('"deciders"\n', '"deciders"\nuser = "flowyd"\n'))
    sh("systemctl reload flowyd", check=False)
    until(
        lambda: "flowyd install --users" in prop("StatusText"),
        "a reload with users is refused with what to do",
    )
    runs_a_workflow("after the refusal")
    sh("flowyd install --program /usr/bin/flowyd --aws --users")
    sh("systemctl restart flowyd")
    result = outcome(begin("tells", "1", "who"))["workflowExecutionCompletedEventAttributes"]["result"]
    fact(json.loads(result) == ["olga", ["olga", "ops"], "/home/olga"], "with the drop-in they have them")
    os.kill(status()["pools"][1]["workers"][0]["pid"], signal.SIGKILL)
    os.kill(status()["engine"]["pid"], signal.SIGKILL)
    runs_a_workflow("after kill -9 of another user's worker and of the engine")
    print("with users:", sh("systemd-analyze security --no-pager flowyd | tail -1").strip())
    sh("rm /etc/systemd/system/flowyd.service.d/users.conf; systemctl daemon-reload")
    Path("/etc/flowyd.toml").write_text(CONFIG)
    sh("systemctl restart flowyd")
    runs_a_workflow("as the unprivileged user again")


def journals() -> None:
    journal = [json.loads(line) for line in sh("journalctl -u flowyd -o json").splitlines()]
    errors = [entry for entry in journal if entry.get("POOL") == "workers" and entry.get("PRIORITY") == "3"]
    fact(errors, "the journal has severities and fields")
    print(sh("systemd-analyze security --no-pager flowyd | tail -1").strip())


def leaves() -> None:
    sh("flowyd uninstall")
    fact(not Path("/etc/systemd/system/flowyd.service").exists(), "uninstalling removes the units")
    fact(Path("/etc/flowyd.toml").exists(), "but not the edited configuration")
    fact(Path("/var/lib/flowyd/engine.db").exists(), "nor the state")


def main() -> None:
    install()
    starts()
    reloads()
    survives_kills()
    restarts_during_an_activity()
    is_started_by_a_caller()
    is_watched()
    sees_its_credentials()
    names_want_of_memory()
    knows_roles()
    gives_workers_a_user()
    says_whom_it_cannot_become()
    gives_workers_a_user_in_the_sandbox()
    journals()
    leaves()


try:
    main()
except BaseException:
    print(sh("systemctl status flowyd; journalctl -u flowyd --no-pager | tail -60", check=False))
    raise
