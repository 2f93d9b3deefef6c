"""The systems that can be measured, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Callable

from bench.peers.boto3_swf import Boto3Moto, boto3_alone, boto3_engine
from bench.peers.celery import Celery
from bench.peers.dbos import Dbos
from bench.peers.floor import Floor
from bench.peers.flowyd import Flowyd
from bench.peers.restate import Restate
from bench.system import Peer

#: Key on the command line to what makes the peer.
PEERS: dict[str, Callable[[], Peer]] = {
    "flowyd": Flowyd,
    "floor": Floor,
    "restate": Restate,
    "restate-calls": lambda: Restate(name="Restate, across processes", calls=True),
    "dbos": Dbos,
    "dbos-wal": lambda: Dbos(name="DBOS, SQLite in WAL mode", wal=True),
    "celery": Celery,
    "boto3-moto": Boto3Moto,
    "boto3-flowyd": boto3_engine,
    "boto3-alone": boto3_alone,
    "flowyd-normal": lambda: Flowyd(name="flowyd, durability normal", durability="normal"),
}

#: What users would take in place of flowyd; the others are flowyd itself, in other ways, and floors.
RIVALS = frozenset({"restate", "restate-calls", "dbos", "dbos-wal", "celery", "boto3-moto"})
