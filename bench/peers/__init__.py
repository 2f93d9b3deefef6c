"""The systems that can be measured, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Callable

from bench.peers.boto3_swf import Boto3Engine, Boto3Moto
from bench.peers.celery import Celery
from bench.peers.dbos import Dbos
from bench.peers.floor import Floor
from bench.peers.flowyd import Flowyd
from bench.peers.restate import Restate
from bench.system import Peer

#: Key on the command line to what makes the peer.
PEERS: dict[str, Callable[[], Peer]] = {
    "flowyd": Flowyd,
    "flowyd-normal": lambda: Flowyd(name="flowyd, durability normal", durability="normal"),
    "floor": Floor,
    "dbos": Dbos,
    "dbos-wal": lambda: Dbos(name="DBOS, SQLite in WAL mode", wal=True),
    "restate": Restate,
    "restate-calls": lambda: Restate(name="Restate, across processes", calls=True),
    "celery": Celery,
    "boto3-flowyd": Boto3Engine,
    "boto3-moto": Boto3Moto,
}
