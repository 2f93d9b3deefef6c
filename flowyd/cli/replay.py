"""`flowyd replay`: would this code go on with these histories? For CI, and before code is put in place.

Code is run again over each completed decision of a history and held against what was recorded then; nothing
is sent anywhere. What the code prints goes to stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from flowyd.cli import answers, exits
from flowyd.cli.options import add_domain
from flowyd.cli.output import Page, page_of, print_json, safe
from flowyd.cli.payloads import use_configured_store
from flowyd.cli.reaching import config_of, endpoint_of, service
from flowyd.console.view_model import wording
from flowyd.console.view_model.cells import Part, Tone
from flowyd.errors import FlowydError, ProgramError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from flowyd.sdk.registry import WorkflowRegistration

Workflows = Mapping[tuple[str, str], "WorkflowRegistration"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One history to try the code on."""

    #: File, or workflow id.
    name: str
    run_id: str
    events: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How the code fits one history."""

    name: str
    run_id: str
    #: "name version" of the workflow.
    type: str
    decisions: int
    #: What does not fit; empty: all decisions are the same.
    problem: str


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to the command line."""
    parser = subparsers.add_parser(
        "replay",
        help="would this code go on with these histories?",
        usage="flowyd replay MODULE HISTORY…\n       flowyd replay [MODULE…] --open",
        description="Runs workflow code again over recorded histories and compares every decision. MODULE is "
        "a file, a directory of modules or a module's dotted name; HISTORY is a file as written by "
        "`flowyd history ID --json`. Exit code 1 if any would diverge.",
    )
    parser.add_argument(
        "paths", metavar="MODULE", nargs="*", default=[], help="then, without --open, HISTORY files"
    )
    parser.add_argument(
        "--open",
        action="store_true",
        help="all open executions of the service; without MODULE against the configured workflows",
    )
    add_domain(parser)
    parser.set_defaults(run=run, intermixed=True)


def run(namespace: argparse.Namespace) -> int:
    """Replays and reports.

    Raises:
        FlowydError: a module or history cannot be read.
    """
    use_configured_store(namespace)
    if namespace.open:
        verdicts = _try_open(namespace)
    else:
        if len(namespace.paths) < 2:
            namespace.parser.error("give a MODULE and at least one HISTORY, or --open")
        module, *files = namespace.paths
        workflows = workflows_in([module])
        verdicts = [verdict(workflows, read_history(Path(file))) for file in files]
    return _report(verdicts, as_json=namespace.json)


def _try_open(namespace: argparse.Namespace) -> list[Verdict]:
    """Every open execution; of other types than those of named modules none."""
    sources = namespace.paths
    if not sources:
        if endpoint_of(namespace) is not None and namespace.config is None:
            namespace.parser.error("--open with --endpoint needs a MODULE, or --config FILE")
        sources = [str(folder) for folder in config_of(namespace).flowyd.workflows]
    workflows = workflows_in(sources)
    verdicts = []
    with service(namespace) as reached:
        for info in answers.infos(reached, "Open", {}, limit=None):
            kind, execution = info["workflowType"], info["execution"]
            if namespace.paths and (kind["name"], kind["version"]) not in workflows:
                continue
            recorded = Recorded(
                name=execution["workflowId"],
                run_id=execution["runId"],
                events=answers.history(reached, execution),
            )
            verdicts.append(verdict(workflows, recorded))
    return verdicts


def verdict(workflows: Workflows, recorded: Recorded) -> Verdict:
    """Whether the code fits the history."""
    # 0.2 s: the package brings the engine along.
    from flowyd.testing.histories import HistoryMismatch, check_history

    first = recorded.events[0]
    kind = first.get("workflowExecutionStartedEventAttributes", {}).get("workflowType", {})
    name, version = kind.get("name", ""), kind.get("version", "")
    problem = ""
    if (name, version) not in workflows:
        known = ", ".join(sorted(" ".join(key) for key in workflows)) or "none"
        problem = f"no code for workflow {name} {version}; there is code for: {known}"
    else:
        with contextlib.redirect_stdout(sys.stderr):
            try:
                check_history(workflows[name, version], recorded.events, run_id=recorded.run_id)
            except HistoryMismatch as mismatch:
                problem = str(mismatch)
    return Verdict(
        name=recorded.name,
        run_id=recorded.run_id,
        type=f"{name} {version}",
        decisions=sum(event["eventType"] == "DecisionTaskCompleted" for event in recorded.events),
        problem=problem,
    )


def read_history(file: Path) -> Recorded:
    """A stored history: of `flowyd history --json`, of GetWorkflowExecutionHistory, or its events alone.

    Raises:
        FlowydError: it is none.
    """
    try:
        stored = json.loads(file.read_text())
    except OSError as error:
        raise FlowydError(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise FlowydError(f"{file}: is no JSON: {error}") from error
    members: dict[str, Any] = stored if isinstance(stored, dict) else {"events": stored}
    events = members.get("events")
    if not _begins(events):
        hint = f"write one:  flowyd history WORKFLOW_ID --json > {file}"
        raise FlowydError(f"{file}: is no history from its beginning; {hint}")
    assert isinstance(events, list)
    run_id = (members.get("execution") or {}).get("runId") or members.get("runId") or "run"
    return Recorded(name=str(file), run_id=run_id, events=events)


def _begins(events: object) -> bool:
    first = events[0] if isinstance(events, list) and events else None
    return isinstance(first, dict) and first.get("eventType") == "WorkflowExecutionStarted"


def workflows_in(sources: Iterable[str]) -> Workflows:
    """The workflows of files, directories of modules, and modules by dotted name.

    Raises:
        ProgramError: one cannot be imported.
    """
    from flowyd.sdk.registry import workflows_in as registered

    found = {}
    for source in sources:
        for module in _modules(source):
            for registration in registered(module):
                found[registration.name, registration.version] = registration
    return found


def _modules(source: str) -> Iterator[ModuleType]:
    path = Path(source)
    try:
        if path.is_dir() and not (path / "__init__.py").exists():
            for entry in sorted(path.iterdir()):
                is_module = entry.suffix == ".py" or (entry / "__init__.py").exists()
                if is_module and not entry.name.startswith(("_", ".")):
                    yield _imported(entry)
        elif path.exists():
            yield _imported(path)
        else:
            sys.path.insert(0, str(Path.cwd()))
            yield importlib.import_module(source)
    except ModuleNotFoundError as error:
        if error.name != source:
            raise ProgramError(f"{source}: cannot be imported: {error}") from error
        raise ProgramError(f"{source}: neither a file, a directory nor a module") from error
    except Exception as error:
        raise ProgramError(f"{source}: cannot be imported: {type(error).__name__}: {error}") from error


def _imported(path: Path) -> ModuleType:
    """The module of a file or package, under its plain name: its neighbours may import each other."""
    folder = str(path.parent.resolve())
    if folder not in sys.path:
        sys.path.append(folder)
    file = path / "__init__.py" if path.is_dir() else path
    spec = importlib.util.spec_from_file_location(
        path.stem, file, submodule_search_locations=[str(path)] if path.is_dir() else None
    )
    if spec is None or spec.loader is None:
        raise ProgramError(f"{path}: is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    with contextlib.redirect_stdout(sys.stderr):
        spec.loader.exec_module(module)
    return module


def _report(verdicts: Sequence[Verdict], *, as_json: bool) -> int:
    wrong = [found for found in verdicts if found.problem]
    if as_json:
        print_json({"ok": not wrong, "histories": [asdict(found) for found in verdicts]})
    else:
        page = page_of()
        for found in verdicts:
            print("\n".join(_lines(found, page)))
        fit = len(verdicts) - len(wrong)
        histories = wording.plural(len(verdicts), "history").replace("historys", "histories")
        print(f"{histories}: {wording.number(fit)} fit, {wording.number(len(wrong))} would diverge")
    return exits.FAILED if wrong else exits.DONE


def _lines(found: Verdict, page: Page) -> list[str]:
    sign = Part("✘ ", Tone.BAD) if found.problem else Part("✔ ", Tone.GOOD)
    decisions = wording.plural(found.decisions, "decision")
    title = page.drawn((sign, Part(f"{safe(found.name)}  {safe(found.type)}  {decisions}")))
    return [title, *(f"    {line}" for line in safe(found.problem).split("\n") if found.problem)]
