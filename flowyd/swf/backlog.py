"""How long tasks wait in the task lists of a local engine.

SWF counts waiting tasks and has no operation for their age. The engine tells it with its metrics, to callers
on its own machine.
"""

from __future__ import annotations

from flowyd.errors import ProtocolError, UnreachableError
from flowyd.swf.client import SwfClient
from flowyd.swf.faults import SwfFault
from flowyd.swf.lean import LeanClient

_AGE = "flowyd_engine_backlog_age_seconds"
_LABELS = {"domain", "kind", "task_list"}


def backlog_ages(client: SwfClient, domain: str) -> dict[tuple[str, str], float]:
    """How long the oldest waiting task of each list waits, seconds, by kind and name of the list.

    Kinds are "activity" and "decision". A list in which nothing waits is not in it, nor one beyond the
    longest 200. Empty where the service does not tell: Amazon SWF, another's engine, one on another machine.

    Raises:
        UnreachableError: nobody answered.
    """
    if not isinstance(client, LeanClient):
        return {}
    try:
        text = client.metrics()
    except UnreachableError:
        raise
    except (SwfFault, ProtocolError):
        return {}
    return ages_in(text, domain)


def ages_in(metrics: str, domain: str) -> dict[tuple[str, str], float]:
    """The ages that the engine's metrics tell for the domain; none in a text of somebody else."""
    # 0.06 s: only who asks for ages pays for it.
    from prometheus_client.parser import text_string_to_metric_families

    try:
        families = list(text_string_to_metric_families(metrics))
    except ValueError:
        return {}
    return {
        (sample.labels["kind"], sample.labels["task_list"]): sample.value
        for family in families
        if family.name == _AGE
        for sample in family.samples
        if sample.labels.keys() == _LABELS and sample.labels["domain"] == domain
    }
