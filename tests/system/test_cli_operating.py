"""Why, timeline, task lists, backup, replay and stop as processes against a real daemon with workers."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.system.cli_process import Ended, flowyd
from tests.system.running_daemon import RunningDaemon, daemon_in, until

MORE = """
from flowyd import SuspendTask

@activity("later", 1, "work")
class Later(Activity):
    def run(self):
        raise SuspendTask
"""
FLOWS = """
@workflow("asks", 1, "decide")
class Asks(Workflow):
    def run(self):
        return self.signal("approve").result()

@workflow("later", 1, "decide")
class LaterFlow(Workflow):
    later = ActivityProxy("later", 1)

    def run(self):
        return self.later()

@workflow("strays", 1, "decide")
class Strays(Workflow):
    double = ActivityProxy("double", 1, task_list="nowhere")

    def run(self):
        return self.double(1)

@workflow("changes", 1, "decide", decision_duration=2)
class Changes(Workflow):
    first = ActivityProxy("double", 1)
    then = ActivityProxy("gate", 1)

    def run(self, folder):
        return self.then(folder, self.first(1).result())
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    daemon = RunningDaemon(tmp_path_factory.mktemp("daemon"))
    for file, more in (("activities/tasks.py", MORE), ("workflows/flows.py", FLOWS)):
        path = daemon.folder / file
        path.write_text(path.read_text() + more)
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.destroy()


def run(daemon: RunningDaemon, *words: str) -> Ended:
    return flowyd("--config", str(daemon.config), *words)


def cause(daemon: RunningDaemon, workflow_id: str) -> str:
    found = run(daemon, "why", workflow_id, "--json").json["findings"][0]["cause"]
    assert isinstance(found, str)
    return found


def test_why_tells_a_signal_a_token_and_a_list_without_pool(daemon: RunningDaemon) -> None:
    for name in ("asks", "later", "strays"):
        daemon.begin(name, workflow_id=name)

    until(lambda: cause(daemon, "asks") == "signal")
    until(lambda: cause(daemon, "later") == "token")
    until(lambda: cause(daemon, "strays") == "no pool")

    asks = run(daemon, "why", "asks").out.splitlines()
    assert asks[-1].startswith("  flowyd signal asks approve --run-id ")
    assert asks[-1].endswith(f"--config {daemon.config}")
    assert "in list nowhere wait 1 activity task" in run(daemon, "why", "strays").out


def test_why_tells_that_a_pool_is_drained(daemon: RunningDaemon) -> None:
    run(daemon, "drain", "workers")
    daemon.begin("tutorial", 3, workflow_id="drained")

    until(lambda: cause(daemon, "drained") == "draining")
    told = run(daemon, "why", "drained").out
    run(daemon, "resume", "workers")
    until(lambda: cause(daemon, "drained") == "closed")

    assert f"flowyd resume workers --config {daemon.config}" in told


def test_why_tells_who_is_busy_with_what(daemon: RunningDaemon, tmp_path: Path) -> None:
    gates = [tmp_path / name for name in ("a", "b")]
    for gate in gates:
        gate.mkdir()
        daemon.begin("through", str(gate), 1, workflow_id=f"gate-{gate.name}")
        until((gate / "begun").exists)
    daemon.begin("tutorial", 3, workflow_id="waits-for-them")

    until(lambda: cause(daemon, "waits-for-them") == "busy")
    told = run(daemon, "why", "waits-for-them").out
    for gate in gates:
        (gate / "open").touch()

    assert "gate  gate-a  gate-0-0" in told
    assert "flowyd scale workers 3" in told


def test_why_shows_both_sides_of_code_that_does_not_fit(daemon: RunningDaemon, tmp_path: Path) -> None:
    execution = daemon.begin("changes", str(tmp_path), workflow_id="changed")
    until((tmp_path / "begun").exists)
    flows = daemon.folder / "workflows" / "flows.py"
    text = flows.read_text()
    before = daemon.workers("deciders")[0].pid
    flows.write_text(text.replace('first = ActivityProxy("double", 1)', 'first = ActivityProxy("join", 1)'))
    run(daemon, "reload", "--force")
    until(lambda: [w.state for w in daemon.workers("deciders") if w.pid != before] == ["polling"])

    told_before = run(daemon, "replay", "--open")
    (tmp_path / "open").touch()
    until(lambda: cause(daemon, "changed") == "broken decision")
    told = run(daemon, "why", "changed").out
    flows.write_text(text)
    run(daemon, "reload")
    daemon.close_of(execution)

    for side in ("asks for activity join 1", "holds activity double 1"):
        assert side in told.replace(":", "").replace("the history ", "")
        assert side in told_before.out.replace("the history ", "")
    assert told_before.code == 1
    assert "✘ changed  changes 1" in told_before.out
    assert f"flowyd reload --config {daemon.config}" in told


def test_histories_are_replayed_from_files(daemon: RunningDaemon, tmp_path: Path) -> None:
    daemon.close_of(daemon.begin("tutorial", 3, workflow_id="recorded"))
    file = tmp_path / "recorded.json"
    file.write_text(run(daemon, "history", "recorded", "--json").out)
    module = str(daemon.folder / "workflows" / "flows.py")

    fits = flowyd("replay", module, str(file))
    changed = tmp_path / "changed.py"
    changed.write_text(Path(module).read_text().replace('"join", 1, retry', '"joined", 1, retry'))
    diverges = flowyd("replay", str(changed), str(file), "--json")

    assert (fits.code, fits.out.splitlines()[-1]) == (0, "1 history: 1 fit, 0 would diverge")
    assert diverges.code == 1
    assert "joined" in diverges.json["histories"][0]["problem"]


def test_the_timeline_has_a_bar_for_each_activity(daemon: RunningDaemon) -> None:
    daemon.close_of(daemon.begin("tutorial", 3, workflow_id="drawn"))

    lines = run(daemon, "timeline", "drawn").out.splitlines()

    assert [line.split()[0] for line in lines[2:]] == ["double", "double", "join"]
    assert all("█" in line for line in lines[2:])


def test_task_lists_say_who_takes_from_them(daemon: RunningDaemon) -> None:
    daemon.begin("strays")

    def lists() -> dict[tuple[str, str], Any]:
        found = run(daemon, "task-lists", "--json").json["task_lists"]
        return {(each["kind"], each["name"]): each for each in found}

    until(lambda: ("activity", "nowhere") in lists(), what="the list that nobody serves is told")
    found = lists()
    assert {key: each["pools"] for key, each in found.items()} == {
        ("activity", "nowhere"): [],
        ("activity", "work"): ["workers"],
        ("decision", "decide"): ["deciders"],
    }
    assert found["activity", "nowhere"]["oldest_s"] > 0
    assert found["decision", "decide"]["oldest_s"] is None


def test_a_list_without_limit_holds_all_and_says_what_they_wait_for(daemon: RunningDaemon) -> None:
    daemon.begin("asks", workflow_id="asks-again")
    until(lambda: cause(daemon, "asks-again") == "signal")

    some = run(daemon, "list", "--all", "--limit", "1", "--json").json["executions"]
    everything = run(daemon, "list", "--all", "--limit", "0", "--json").json["executions"]
    table = run(daemon, "list", "--all", "--limit", "0").out.splitlines()
    waits = run(daemon, "list", "--waits").out

    ids = [info["execution"]["runId"] for info in everything]
    assert len(ids) == len(set(ids)) == len(table) - 1 > 1
    assert [info["execution"] for info in some] == [everything[0]["execution"]]
    starts = [info["startTimestamp"] for info in everything]
    assert starts == sorted(starts, reverse=True)
    assert "signal approve-0" in waits


def test_a_backup_is_a_whole_database_and_replaces_only_on_demand(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    daemon.close_of(daemon.begin("tutorial", 3, workflow_id="kept"))
    file = tmp_path / "copy.db"

    made, refused, replaced = (
        run(daemon, "backup", str(file)),
        run(daemon, "backup", str(file)),
        run(daemon, "backup", str(file), "--force", "--json"),
    )

    assert made.code == 0, made.err
    assert made.out.startswith(f"{file}: ")
    assert (refused.code, refused.err) == (
        1,
        f"flowyd: {file} exists already; name another file, or replace it with --force\n",
    )
    assert replaced.json["bytes"] == file.stat().st_size
    with closing(sqlite3.connect(file)) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db"]


def test_a_backup_over_the_database_itself_is_refused(daemon: RunningDaemon) -> None:
    database = daemon.folder / "state" / "engine.db"

    ended = run(daemon, "backup", str(database), "--force")

    assert ended.code == 1
    assert "is the engine's database itself" in ended.err


def test_why_tells_a_quarantined_module_with_what_is_wrong_and_stop_waits_for_the_end(tmp_path: Path) -> None:
    with daemon_in(tmp_path) as daemon:
        flows = tmp_path / "workflows" / "flows.py"
        flows.write_text("import no_such_library\n" + flows.read_text())
        assert run(daemon, "stop").code == 0
        assert daemon.wait() == 0
        # Without it the version that worked would go on.
        shutil.rmtree(tmp_path / "state" / "modules")
        daemon.start()

        daemon.begin("tutorial", 3, workflow_id="unserved")
        until(lambda: cause(daemon, "unserved") == "quarantined")
        told = run(daemon, "why", "unserved").out
        stopped = run(daemon, "stop", "--json")
        down = run(daemon, "stop")

    assert f"{flows}: ModuleNotFoundError: No module named 'no_such_library'" in told
    assert stopped.json["ended"] is True
    assert down.code == 69
    assert "start it:  flowyd run --config" in down.err
