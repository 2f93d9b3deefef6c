"""The Celery application, and its driver: chain, group and chord stand for the workflows.

Redis tells the driver of each result (`get` does not poll), except in S7, where results are looked up after
the restart.
"""

import os

from celery import Celery, chain, chord, group
from conversation import latencies_ms, note, payload_of, serve, timed

SOCKET = os.environ["BENCH_REDIS"]
app = Celery("bench", broker=f"redis+socket://{SOCKET}", backend=f"redis+socket://{SOCKET}")
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    result_expires=3600,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": 40},
)


@app.task(name="nothing")
def nothing(payload, log="", name=""):
    note(log, name)
    return payload


@app.task(name="join")
def join(results, log="", name=""):
    note(log, name)
    return len(results)


def one(payload):
    nothing.delay(payload).get()


def run_chain(n, payload):
    chain(nothing.s(payload), *(nothing.s() for _ in range(n - 1)))().get()


def run_fan(n, payload):
    group(nothing.s(payload) for _ in range(n))().get()


def three(payload, log="", name=""):
    tasks = [nothing.s(payload, log, f"{name}/{i}") for i in range(2)]
    return chord(tasks)(join.s(log, name + "/2"))


def many(n, payload):
    for result in [three(payload) for _ in range(n)]:
        result.get()


begun = {}


def begin(n, log):
    for i in range(n):
        begun[i] = three(payload_of(100), log, f"w{i}").id
    return {"ids": list(begun.values())}


def completed(n, ids):  # noqa: ARG001  # the operation's arguments
    return {"count": sum(app.AsyncResult(one).successful() for one in ids)}


if __name__ == "__main__":
    serve(
        {
            "one": lambda repeats, payload: {
                "latencies_ms": latencies_ms(lambda: one(payload_of(payload)), repeats)
            },
            "chain": lambda n, payload: {"s": timed(run_chain, n, payload_of(payload))},
            "fan": lambda n, payload: {"s": timed(run_fan, n, payload_of(payload))},
            "many": lambda n, payload: {"s": timed(many, n, payload_of(payload))},
            "begin": begin,
            "completed": completed,
        }
    )
