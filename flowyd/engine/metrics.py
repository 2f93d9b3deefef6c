"""What the engine counts, as Prometheus text.

Counting costs a dictionary entry; everything else is done when somebody asks. What the store knows (open
executions, backlog, size) is asked for at that moment through `Gauges`.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_LATEST

#: Upper bounds for the length of turns and commits, seconds: from one warm request to a disk that hangs.
BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)

#: A text is shown again for so many times as long as it took to make, so whoever asks all the time cannot
#: have more than a twentieth of the engine's.
_REST = 20

#: Name, help, label names → values: a gauge that the store or the server reads when asked.
Gauge = tuple[str, str, tuple[str, ...], dict[tuple[str, ...], float]]
Gauges = Callable[[], Iterable[Gauge]]


class Lengths:
    """How long something took: a count for each bound, and their sum."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self._seconds = 0.0

    def count(self, seconds: float) -> None:
        """It took so long once more."""
        self._seconds += seconds
        self._counts[bisect_left(BOUNDS_S, seconds)] += 1

    def histogram(self, name: str, meaning: str) -> Metric:
        """As a metric."""
        cumulated, buckets = 0, []
        for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), self._counts, strict=True):
            cumulated += count
            buckets.append((bound, cumulated))
        family = HistogramMetricFamily(name, meaning)
        family.add_metric((), buckets, self._seconds)
        return family


class Metrics(Collector):
    """Counts of one engine; read as text by `text`."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str]] = Counter()
        #: Turns of the service, and commits.
        self.turns = Lengths()
        self.commits = Lengths()
        self._gauges: list[Gauges] = []
        #: The last text, and until when it is good enough; the monotonic clock's seconds.
        self._text = b""
        self._good_until = 0.0
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def add_gauges(self, gauges: Gauges) -> None:
        """Values to read whenever somebody asks."""
        self._gauges.append(gauges)

    def count_request(self, action: str, fault: str) -> None:
        """One answered request; `fault` is empty where there was none."""
        self._requests[action, fault] += 1

    def text(self) -> bytes:
        """Everything in the text format of Prometheus; a moment old if it was asked for a moment ago."""
        began_at = time.monotonic()
        if began_at >= self._good_until:
            self._text = generate_latest(self._registry)
            ended_at = time.monotonic()
            self._good_until = ended_at + _REST * (ended_at - began_at)
        return self._text

    def collect(self) -> Iterator[Metric]:
        """Called by the registry."""
        requests = CounterMetricFamily(
            "flowyd_engine_requests",
            "Answered requests by operation and fault (empty: none)",
            labels=("action", "fault"),
        )
        for (action, fault), count in sorted(self._requests.items()):
            requests.add_metric((action, fault), count)
        yield requests
        turns = "Length of the service's turns, commit included"
        yield self.turns.histogram("flowyd_engine_turn_seconds", turns)
        commits = "Length of commits; turns that write nothing have none"
        yield self.commits.histogram("flowyd_engine_commit_seconds", commits)
        for gauges in self._gauges:
            for name, meaning, labels, values in gauges():
                family = GaugeMetricFamily(f"flowyd_engine_{name}", meaning, labels=labels)
                for label_values, value in sorted(values.items()):
                    family.add_metric(label_values, value)
                yield family
