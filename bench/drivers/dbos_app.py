"""A DBOS application that is also the driver: workflows and steps in one process.

Steps of a fan-out are asynchronous steps gathered in one workflow, which DBOS runs at the same time; the
alternative, a child workflow for each, is slower. The driver awaits the results within the process, without
polls, except in S7, where they are looked up after the restart.
"""

import asyncio
import sys
import threading
import time

from conversation import is_open, latencies_ms, note, payload_of, serve, timed
from dbos import DBOS, SetWorkflowID

DBOS(
    config={
        "name": "bench",
        "system_database_url": f"sqlite:///{sys.argv[1]}",
        "application_version": "1",
        "executor_id": sys.argv[2] if len(sys.argv) > 2 else "local",
        "log_level": "ERROR",
    }
)


@DBOS.step()
def nothing(payload, log="", name=""):
    note(log, name)
    return payload


@DBOS.step()
async def nothing_async(payload):
    return payload


@DBOS.workflow()
def chain(n, payload):
    for _ in range(n):
        payload = nothing(payload)
    return n


@DBOS.workflow()
async def fan(n, payload):
    results = await asyncio.gather(*(nothing_async(payload) for _ in range(n)))
    return len(results)


@DBOS.step()
async def noted_async(payload, log, name):
    while not is_open(log):
        await asyncio.sleep(0.05)
    note(log, name)
    return payload


@DBOS.workflow()
async def three(payload, log="", name=""):
    await asyncio.gather(noted_async(payload, log, name + "/0"), noted_async(payload, log, name + "/1"))
    return await noted_async(payload, log, name + "/2")


loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()


def wait_for(coroutine):
    return asyncio.run_coroutine_threadsafe(coroutine, loop).result()


async def start_three(payload, log="", name=""):
    if not name:
        return await DBOS.start_workflow_async(three, payload)
    with SetWorkflowID(name):
        return await DBOS.start_workflow_async(three, payload, log, name)


async def many(n, payload):
    handles = [await start_three(payload) for _ in range(n)]
    await asyncio.gather(*(handle.get_result() for handle in handles))


async def run_fan(n, payload):
    handle = await DBOS.start_workflow_async(fan, n, payload)
    await handle.get_result()


async def begin(n, log):
    for i in range(n):
        await start_three(payload_of(100), log, f"w{i}")


def completed(n):  # noqa: ARG001  # the operation's arguments
    found = DBOS.list_workflows(status="SUCCESS", workflow_id_prefix="w", load_input=False, load_output=False)
    return {"count": len(found)}


if __name__ == "__main__":
    DBOS.launch()
    DBOS.register_queue("bench")
    if len(sys.argv) > 2:
        while True:
            time.sleep(3600)
    serve(
        {
            "one": lambda repeats, payload: {
                "latencies_ms": latencies_ms(lambda: chain(1, payload_of(payload)), repeats)
            },
            "chain": lambda n, payload: {"s": timed(chain, n, payload_of(payload))},
            "fan": lambda n, payload: {"s": timed(lambda: wait_for(run_fan(n, payload_of(payload))))},
            "many": lambda n, payload: {"s": timed(lambda: wait_for(many(n, payload_of(payload))))},
            "begin": lambda n, log: wait_for(begin(n, log)),
            "completed": completed,
        }
    )
