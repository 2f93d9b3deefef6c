"""Modules that come, change, break and go while the daemon works; and reloads that would break executions."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowyd.config.records import PoolKind
from flowyd.worker.spec import ServiceSpec
from flowyd.worker.trial import Trial, hold_trial
from flowyd.worker.units import Modules, scan

sys.path.insert(0, str(Path(__file__).parent))

from running_daemon import DOMAIN, RunningDaemon, daemon_in, until

#: What a change may take from the copied file to the first worker that serves it.
WITHIN_S = 2.0

TRIPLE = """
from flowyd import activity

@activity("triple", 1, "work", start_to_close=4)
def triple(number):
    return number * 3
"""

FLOW = """
from flowyd import ActivityProxy, Workflow, workflow

@workflow("tripled", 1, "decide", decision_duration=4)
class Tripled(Workflow):
    triple = ActivityProxy("triple", 1, retry=0)

    def run(self, number):
        return self.triple(number)
"""

LATER = """
from flowyd import ActivityProxy, Workflow, workflow

@workflow("later", 1, "decide", decision_duration=4)
class Later(Workflow):
    gate = ActivityProxy("gate", 1, retry=0)
    double = ActivityProxy("double", 1, retry=0)

    def run(self, folder):
        value = self.gate(folder, 5).result()
        return self.double(value)
"""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[RunningDaemon]:
    with daemon_in(tmp_path) as running:
        yield running


def result_of(closing: dict[str, Any]) -> Any:
    return json.loads(closing["workflowExecutionCompletedEventAttributes"]["result"])


def pids(daemon: RunningDaemon, pool: str) -> set[int]:
    return {worker.pid for worker in daemon.workers(pool)}


def served(daemon: RunningDaemon, pool: str) -> tuple[str, ...]:
    found: tuple[str, ...] = next(p.served_types for p in daemon.status().pools if p.name == pool)
    return found


def broken(daemon: RunningDaemon, pool: str) -> dict[str, str]:
    found: dict[str, str] = next(p.broken_modules for p in daemon.status().pools if p.name == pool)
    return found


def rolled_out(daemon: RunningDaemon, pool: str, before: set[int]) -> None:
    """Waits until no worker of before is left and the new ones work."""
    until(lambda: not before & pids(daemon, pool), what="other workers")
    until(lambda: {worker.state for worker in daemon.workers(pool)} == {"polling"}, what="polling")


def test_a_module_copied_in_is_served_within_two_seconds_and_nobody_else_notices(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    deciders, before = pids(daemon, "deciders"), pids(daemon, "workers")

    (tmp_path / "activities" / "triple.py").write_text(TRIPLE)

    until(lambda: "triple 1" in served(daemon, "workers"), within_s=WITHIN_S)
    rolled_out(daemon, "workers", before)
    assert pids(daemon, "deciders") == deciders
    (tmp_path / "workflows" / "tripled.py").write_text(FLOW)
    until(lambda: "tripled 1" in served(daemon, "deciders"), within_s=WITHIN_S)
    assert result_of(daemon.close_of(daemon.begin("tripled", 4))) == 12


def test_a_changed_module_is_rolled_out_while_a_task_of_the_old_one_ends_in_peace(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    before = pids(daemon, "workers")
    running = daemon.begin("through", str(tmp_path), 7)
    until((tmp_path / "begun").exists)
    module = tmp_path / "activities" / "tasks.py"

    module.write_text(module.read_text().replace("number * 2", "number * 3"))

    until(lambda: len(before & pids(daemon, "workers")) == 1, what="the idle worker replaced")
    (tmp_path / "open").touch()
    assert result_of(daemon.close_of(running)) == 7
    rolled_out(daemon, "workers", before)
    assert result_of(daemon.close_of(daemon.begin("tutorial", 1))) == "3-6"


def test_a_broken_change_leaves_the_old_version_on_also_in_new_workers_and_a_new_daemon(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    module = tmp_path / "activities" / "tasks.py"
    good = module.read_text()
    before = pids(daemon, "workers")

    module.write_text("import nothing_of_this_name\n")

    until(lambda: "nothing_of_this_name" in broken(daemon, "workers").get(str(module), ""))
    assert pids(daemon, "workers") == before
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    rolled_out(daemon, "workers", before)
    assert result_of(daemon.close_of(daemon.begin("tutorial", 1))) == "2-4"
    assert daemon.stop() == 0
    daemon.start()
    assert "nothing_of_this_name" in broken(daemon, "workers")[str(module)]
    assert result_of(daemon.close_of(daemon.begin("tutorial", 2))) == "4-6"
    module.write_text(good)
    until(lambda: broken(daemon, "workers") == {})


def test_a_traceback_shows_the_line_of_the_version_that_runs(daemon: RunningDaemon, tmp_path: Path) -> None:
    fails = tmp_path / "activities" / "triple.py"
    fails.write_text(TRIPLE.replace("return number * 3", "raise ValueError('as it was')"))
    (tmp_path / "workflows" / "tripled.py").write_text(FLOW)
    until(lambda: "triple 1" in served(daemon, "workers") and "tripled 1" in served(daemon, "deciders"))

    fails.write_text("# another line\n" * 20 + "import nothing_of_this_name\n")
    until(lambda: str(fails) in broken(daemon, "workers"))

    failed = daemon.close_of(daemon.begin("tripled", 1))["workflowExecutionFailedEventAttributes"]
    assert f'File "{fails}", line 6' in json.dumps(failed).replace('\\"', '"').replace('\\"', '"').replace(
        "\\", ""
    )
    assert "as it was" in json.dumps(failed)


def test_a_module_that_is_written_slowly_is_waited_for(daemon: RunningDaemon, tmp_path: Path) -> None:
    with (tmp_path / "activities" / "triple.py").open("w") as file:
        for line in TRIPLE.splitlines(keepends=True):
            file.write(line)
            file.flush()
            time.sleep(0.4)
        assert broken(daemon, "workers") == {}
        assert "triple 1" not in served(daemon, "workers")

    until(lambda: "triple 1" in served(daemon, "workers"), within_s=WITHIN_S)


def test_what_editors_and_python_leave_about_is_no_module(daemon: RunningDaemon, tmp_path: Path) -> None:
    before = pids(daemon, "workers")
    activities = tmp_path / "activities"

    for name in ("triple.py~", ".triple.py.swp", "triple.py.tmp", "4913"):
        (activities / name).write_text("this is no Python")
    (activities / "__pycache__").mkdir()
    (activities / "__pycache__" / "triple.cpython-311.pyc").write_text("")
    (activities / "second.py").write_text(TRIPLE.replace("triple", "second"))

    until(lambda: "second 1" in served(daemon, "workers"))
    rolled_out(daemon, "workers", before)
    assert broken(daemon, "workers") == {}


def test_a_package_is_a_module(daemon: RunningDaemon, tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    (made / "__init__.py").write_text("")
    (made / "deep.py").write_text(TRIPLE.replace("number * 3", "number * _factor.FACTOR"))
    (made / "deep.py").write_text("from . import _factor\n" + (made / "deep.py").read_text())
    (made / "_factor.py").write_text("FACTOR = 3\n")
    (tmp_path / "workflows" / "tripled.py").write_text(FLOW)

    made.rename(tmp_path / "activities" / "made")

    until(lambda: "triple 1" in served(daemon, "workers"), within_s=WITHIN_S)
    until(lambda: "tripled 1" in served(daemon, "deciders"))
    assert result_of(daemon.close_of(daemon.begin("tripled", 4))) == 12
    before = pids(daemon, "workers")
    (tmp_path / "activities" / "made" / "_factor.py").write_text("FACTOR = 5\n")
    rolled_out(daemon, "workers", before)
    assert result_of(daemon.close_of(daemon.begin("tripled", 4))) == 20


def test_a_removed_module_is_served_no_more_once_its_tasks_have_ended(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    (tmp_path / "activities" / "triple.py").write_text(TRIPLE)
    until(lambda: "triple 1" in served(daemon, "workers"))
    running = daemon.begin("through", str(tmp_path), 7)
    until((tmp_path / "begun").exists)

    (tmp_path / "activities" / "triple.py").unlink()
    (tmp_path / "activities" / "tasks.py").rename(tmp_path / "tasks.py")

    until(lambda: "triple 1" not in served(daemon, "workers"))
    (tmp_path / "open").touch()
    assert result_of(daemon.close_of(running)) == 7


def test_what_others_may_write_is_refused_and_the_version_before_goes_on(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    module = tmp_path / "activities" / "tasks.py"
    before = pids(daemon, "workers")

    module.chmod(0o666)
    module.write_text("import nothing_of_this_name\n")

    until(lambda: "can be written by others" in broken(daemon, "workers").get(str(module), ""))
    assert pids(daemon, "workers") == before
    assert result_of(daemon.close_of(daemon.begin("tutorial", 1))) == "2-4"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("value = 1\n", "registers no activity and no workflow"),
        ("import os\nos._exit(3)\n", "ended its process with exit code 3"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", "ended its process by signal 11"),
        (TRIPLE.replace('"triple", 1', '"double", 1'), "double 1 is defined in"),
    ],
    ids=["nothing", "exit", "crash", "double"],
)
def test_a_module_that_is_no_use_is_quarantined(
    daemon: RunningDaemon, tmp_path: Path, text: str, why: str
) -> None:
    before = pids(daemon, "workers")
    module = tmp_path / "activities" / "useless.py"

    module.write_text(text)

    until(lambda: why in broken(daemon, "workers").get(str(module), ""))
    assert pids(daemon, "workers") == before


def test_a_module_that_hangs_is_blamed_with_its_stack(tmp_path: Path) -> None:
    module = tmp_path / "hangs.py"
    module.write_text("import time\ntime.sleep(600)\n")
    found = scan([tmp_path])
    trial = Trial(
        kind=PoolKind.ACTIVITY,
        service=ServiceSpec(domain=DOMAIN, engine_socket=tmp_path / "none.sock"),
        modules=Modules(units=found.units, contents=found.contents),
        touched=frozenset(found.units),
        replay=False,
        limit_s=0.3,
    )

    report = hold_trial(trial).broken[str(module)]

    assert "was not through after" in report
    assert f'File "{module}", line 2 in <module>' in report
    assert report.splitlines()[-1] == "it was not through after 0.3 s when it was tried"


def test_a_service_that_does_not_answer_is_not_put_down_to_a_module(tmp_path: Path) -> None:
    (tmp_path / "triple.py").write_text(TRIPLE)
    found = scan([tmp_path])
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "engine.sock"))
        silent.listen()
        trial = Trial(
            kind=PoolKind.ACTIVITY,
            service=ServiceSpec(domain=DOMAIN, engine_socket=tmp_path / "engine.sock"),
            modules=Modules(units=found.units, contents=found.contents),
            touched=frozenset(found.units),
            replay=False,
            limit_s=1.0,
        )

        outcome = hold_trial(trial)

    assert outcome.broken == {}
    assert outcome.away == "DescribeActivityType was not answered within 1 s"


def test_defaults_that_drift_from_the_registered_type_are_refused(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    module = tmp_path / "activities" / "triple.py"
    module.write_text(TRIPLE)
    until(lambda: "triple 1" in served(daemon, "workers"))

    module.write_text(TRIPLE.replace("start_to_close=4", "start_to_close=9"))

    until(
        lambda: (
            "start_to_close is 4 there and 9 in the module" in broken(daemon, "workers").get(str(module), "")
        )
    )
    assert "triple 1" in served(daemon, "workers")


def test_a_shared_module_that_breaks_the_others_is_taken_back(daemon: RunningDaemon, tmp_path: Path) -> None:
    shared = tmp_path / "activities" / "_shared.py"
    shared.write_text("FACTOR = 3\n")
    (tmp_path / "activities" / "triple.py").write_text("from _shared import FACTOR\n" + TRIPLE)
    until(lambda: "triple 1" in served(daemon, "workers"))

    shared.write_text("FACTORS = 3\n")

    until(lambda: "cannot import name 'FACTOR'" in broken(daemon, "workers").get(str(shared), ""))
    assert "triple 1" in served(daemon, "workers")


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_task_of_an_unknown_type_waits_for_the_module_that_is_on_its_way(
    daemon: RunningDaemon, tmp_path: Path, concurrency: int
) -> None:
    daemon.configure(more=f"concurrency = {concurrency}\n")
    daemon.ask("reload")
    module = tmp_path / "activities" / "triple.py"
    module.write_text(TRIPLE)
    (tmp_path / "workflows" / "tripled.py").write_text(FLOW)
    until(lambda: "tripled 1" in served(daemon, "deciders") and "triple 1" in served(daemon, "workers"))
    module.unlink()
    until(lambda: "triple 1" not in served(daemon, "workers"))
    until(lambda: [w.state for w in daemon.workers("workers")] == ["polling", "polling"])

    with module.open("w") as file:
        file.write(TRIPLE)
        file.flush()
        execution = daemon.begin("tripled", 4)
        until(lambda: [w for w in daemon.workers("workers") if w.state == "running"], what="held back")

    assert result_of(daemon.close_of(execution)) == 12


def test_a_decision_of_an_unknown_type_waits_for_the_module_that_is_on_its_way(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    (tmp_path / "activities" / "triple.py").write_text(TRIPLE)
    module = tmp_path / "workflows" / "tripled.py"
    module.write_text(FLOW)
    until(lambda: "tripled 1" in served(daemon, "deciders") and "triple 1" in served(daemon, "workers"))
    module.unlink()
    until(lambda: "tripled 1" not in served(daemon, "deciders"))
    until(lambda: [w.state for w in daemon.workers("deciders")] == ["polling"])

    with module.open("w") as file:
        file.write(FLOW)
        file.flush()
        execution = daemon.begin("tripled", 4)
        until(lambda: [w for w in daemon.workers("deciders") if w.state == "running"], what="held back")

    assert result_of(daemon.close_of(execution)) == 12
    types = [event["eventType"] for event in daemon.history(execution)]
    assert "DecisionTaskTimedOut" not in types


def open_execution(daemon: RunningDaemon, tmp_path: Path) -> tuple[tuple[str, str], Path]:
    """An execution that waits for its first activity, and its module."""
    module = tmp_path / "workflows" / "later.py"
    module.write_text(LATER)
    until(lambda: "later 1" in served(daemon, "deciders"))
    execution = daemon.begin("later", str(tmp_path))
    until((tmp_path / "begun").exists)
    return execution, module


def test_workflow_code_that_an_open_execution_does_not_fit_is_refused_and_named(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    execution, module = open_execution(daemon, tmp_path)
    before = pids(daemon, "deciders")

    module.write_text(LATER.replace("self.gate(folder, 5)", "self.double(5)"))

    report = until(lambda: broken(daemon, "deciders").get(str(module), ""))
    assert f"open execution {execution[0]} (run {execution[1]})" in report
    assert "the code asks for: activity double 1" in report
    assert "the history holds: " in report
    assert f"at {module}:10" in report
    assert pids(daemon, "deciders") == before
    (tmp_path / "open").touch()
    assert result_of(daemon.close_of(execution)) == 10


def test_workflow_code_that_open_executions_fit_is_taken(daemon: RunningDaemon, tmp_path: Path) -> None:
    execution, module = open_execution(daemon, tmp_path)
    before = pids(daemon, "deciders")

    module.write_text(LATER.replace("return self.double(value)", "return self.double(value + 1)"))

    rolled_out(daemon, "deciders", before)
    (tmp_path / "open").touch()
    assert result_of(daemon.close_of(execution)) == 12


def test_a_reload_refuses_such_code_and_takes_it_by_force(daemon: RunningDaemon, tmp_path: Path) -> None:
    _, module = open_execution(daemon, tmp_path)
    workers, before = pids(daemon, "workers"), pids(daemon, "deciders")
    module.write_text(LATER.replace("self.gate(folder, 5)", "self.double(5)"))

    refused = daemon.ask("reload")["refused"]
    kept = pids(daemon, "deciders")
    forced = daemon.ask("reload", force=True)

    assert list(refused) == [str(module)]
    assert kept == before
    assert forced["changed"] == "replacing workers of deciders"
    assert forced["refused"] == {}
    rolled_out(daemon, "deciders", before)
    assert pids(daemon, "workers") == workers
    assert result_of(daemon.close_of(daemon.begin("later", str(tmp_path)))) == 20


def test_a_reload_says_how_many_open_executions_it_replayed(daemon: RunningDaemon, tmp_path: Path) -> None:
    _, module = open_execution(daemon, tmp_path)
    module.write_text(LATER.replace("return self.double(value)", "return self.double(value + 1)"))

    answer = daemon.ask("reload")

    assert (answer["replayed"], answer["not_replayed"]) == (1, 0)


def test_a_reload_answers_when_the_code_is_proven(daemon: RunningDaemon, tmp_path: Path) -> None:
    before = pids(daemon, "workers")
    (tmp_path / "activities" / "triple.py").write_text(TRIPLE)

    answer = daemon.ask("reload")

    assert answer == {
        "changed": "replacing workers of workers",
        "refused": {},
        "replayed": 0,
        "not_replayed": 0,
    }
    rolled_out(daemon, "workers", before)
    assert "triple 1" in served(daemon, "workers")


def test_a_directory_that_goes_away_and_comes_back(daemon: RunningDaemon, tmp_path: Path) -> None:
    activities = tmp_path / "activities"

    activities.rename(tmp_path / "elsewhere")
    until(lambda: "No such file" in broken(daemon, "workers").get(str(activities), ""))
    assert result_of(daemon.close_of(daemon.begin("tutorial", 1))) == "2-4"
    (tmp_path / "elsewhere" / "triple.py").write_text(TRIPLE)
    (tmp_path / "elsewhere").rename(activities)

    until(lambda: "triple 1" in served(daemon, "workers"), within_s=WITHIN_S)
    assert broken(daemon, "workers") == {}
