"""Restate services: the workflows, with activities as steps or as calls of another service."""

import asyncio

import restate
from conversation import is_open, note

activities = restate.Service("activities")
workflows = restate.Service("workflows")


async def step(payload, log="", name=""):
    while not is_open(log):
        await asyncio.sleep(0.05)
    note(log, name)
    return payload


@activities.handler()
async def nothing(ctx: restate.Context, request: dict) -> dict:  # noqa: ARG001  # Restate's signature
    return await step(request["payload"], request.get("log", ""), request.get("name", ""))


def start(ctx, mode, payload, log="", name=""):
    """One activity, not awaited."""
    if mode == "calls":
        return ctx.service_call(nothing, {"payload": payload, "log": log, "name": name})
    return ctx.run_typed("nothing", step, payload=payload, log=log, name=name)


@workflows.handler()
async def chain(ctx: restate.Context, request: dict) -> int:
    payload = request["payload"]
    for _ in range(request["n"]):
        payload = await start(ctx, request["mode"], payload)
    return request["n"]


@workflows.handler()
async def fan(ctx: restate.Context, request: dict) -> int:
    started = [start(ctx, request["mode"], request["payload"]) for _ in range(request["n"])]
    return len(await restate.gather(*started))


@workflows.handler()
async def three(ctx: restate.Context, request: dict) -> dict:
    mode, log, name = request["mode"], request.get("log", ""), request.get("name", "")
    pair = [start(ctx, mode, request["payload"], log, f"{name}/{i}") for i in range(2)]
    await restate.gather(*pair)
    return await start(ctx, mode, await pair[1], log, name + "/2")


app = restate.app([workflows, activities])
