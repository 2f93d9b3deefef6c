"""What the supervisor's probe does: reads the directories, tries what it finds, says what to serve.

It runs in a child of its own and never imports the operators' code itself: each try is a process below it.
Its answer goes to a file that the supervisor reads when it has ended.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from flowyd.config.records import PoolKind
from flowyd.errors import ProtocolError, StoreError
from flowyd.log import LogStyle, set_up_logging
from flowyd.worker.replay_gate import Replays
from flowyd.worker.rollout import Refusal, Stock, candidate, changed, take_back, touched
from flowyd.worker.spec import ServiceSpec
from flowyd.worker.trial import Trial, TrialFound, hold_trial
from flowyd.worker.units import ContentStore, Modules, decode_unit, encode_unit, scan

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSpec:
    """What to look at and what was served before."""

    kind: PoolKind
    service: ServiceSpec
    roots: tuple[Path, ...]
    before: Stock
    store: Path
    #: Where the answer goes.
    answer: Path
    #: Whether open executions are replayed.
    replay: bool = True
    environment: dict[str, str] = field(default_factory=dict)
    log_level: str = "info"
    #: Called in each trial's process, to be who the workers are.
    become: Callable[[], object] = lambda: None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeAnswer:
    """What the probe found."""

    stock: Stock
    #: Set if the service could not be asked.
    away: str = ""
    #: Of open executions.
    replays: Replays = field(default_factory=Replays)


def run_probe(spec: ProbeSpec) -> int:
    """Finds out what to serve and writes the answer; 0."""
    set_up_logging(spec.log_level, style=LogStyle.PREFIXED)
    os.environ.update(spec.environment)
    answer = probe(spec)
    spec.answer.write_text(encode_answer(answer))
    return 0


def probe(spec: ProbeSpec) -> ProbeAnswer:
    """What to serve of what the directories hold."""
    found = scan(spec.roots)
    store = ContentStore(spec.store)
    before, old = spec.before, dict[str, bytes]()
    try:
        old = store.get(before.units.values())
    except StoreError as error:
        logger.error("the versions served before are lost: %s", error, extra={"action": "modules"})
        before = Stock()
    contents = {**found.contents, **old}
    tried: Stock | None = candidate(before, found)
    assert tried is not None
    result, replays = tried, Replays()
    while tried is not None:
        result = tried
        if not changed(before.units, tried.units) and before.units:
            break
        outcome = _hold(spec, before, tried, contents)
        replays += outcome.replays
        if outcome.away:
            return ProbeAnswer(stock=tried, away=outcome.away)
        tried = take_back(tried, before.units, outcome.broken, found.units)
    wanted = {digest for unit in result.units.values() for _, digest in unit.files}
    store.put({digest: content for digest, content in contents.items() if digest in wanted})
    return ProbeAnswer(stock=result, replays=replays)


def _hold(spec: ProbeSpec, before: Stock, tried: Stock, contents: dict[str, bytes]) -> TrialFound:
    return hold_trial(
        Trial(
            kind=spec.kind,
            service=spec.service,
            modules=Modules(units=tried.units, contents=contents),
            touched=frozenset(touched(before.units, tried.units)),
            # Where nothing was served before there is nothing to go back to.
            replay=spec.replay and spec.kind is PoolKind.DECISION and bool(before.units),
            become=spec.become,
        )
    )


def encode_stock(stock: Stock) -> dict[str, Any]:
    """The record as JSON-able members."""
    return {
        "units": [encode_unit(unit) for unit in stock.units.values()],
        "refusals": {
            path: {"why": refusal.why, "surroundings": refusal.surroundings}
            for path, refusal in stock.refusals.items()
        },
    }


def decode_stock(members: dict[str, Any]) -> Stock:
    """The record of `encode_stock`'s members.

    Raises:
        ProtocolError: they are something else.
    """
    try:
        units = [decode_unit(unit) for unit in members["units"]]
        refusals = {path: Refusal(**refusal) for path, refusal in members["refusals"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ProtocolError(f"not a list of modules: {error}") from error
    return Stock(units={unit.path: unit for unit in units}, refusals=refusals)


def encode_answer(answer: ProbeAnswer) -> str:
    """The answer as text."""
    stock = encode_stock(answer.stock)
    return json.dumps({"stock": stock, "away": answer.away, "replays": asdict(answer.replays)})


def decode_answer(text: str) -> ProbeAnswer:
    """The answer of `encode_answer`'s text.

    Raises:
        ProtocolError: it is something else.
    """
    try:
        members = json.loads(text)
        stock = decode_stock(members["stock"])
        return ProbeAnswer(stock=stock, away=members["away"], replays=Replays(**members["replays"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ProtocolError(f"not a probe's answer: {error}") from error
