"""Drives the floor: the operations of bench/system.py over its frames."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from conversation import CALLERS, in_parallel, latencies_ms, serve, timed

from bench.floor import CHAIN, FAN, THREE, Caller


def main(caller):
    """Answers until stdin ends."""

    def payload_of(size):
        return b"x" * size

    def run(shape, size, payload):
        caller.start(shape, size, payload)
        caller.wait(1)

    def many(n, payload):
        makers = [lambda: Caller(caller.path)] * CALLERS
        in_parallel(makers, n, lambda one, _: one.start(THREE, 3, payload))
        caller.wait(n)

    serve(
        {
            "one": lambda repeats, payload: {
                "latencies_ms": latencies_ms(lambda: run(CHAIN, 1, payload_of(payload)), repeats)
            },
            "chain": lambda n, payload: {"s": timed(run, CHAIN, n, payload_of(payload))},
            "fan": lambda n, payload: {"s": timed(run, FAN, n, payload_of(payload))},
            "many": lambda n, payload: {"s": timed(many, n, payload_of(payload))},
        }
    )
