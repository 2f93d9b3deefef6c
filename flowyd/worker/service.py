"""A worker's way to the SWF service, and its name there."""

from __future__ import annotations

import os
import socket

from flowyd.swf.client import PollingClient
from flowyd.swf.connect import connect
from flowyd.swf.limits import IDENTITY_CHARACTERS
from flowyd.worker.spec import ServiceSpec


def client_of(service: ServiceSpec) -> PollingClient:
    """A client of the service; nothing is connected yet."""
    swf = service.swf
    return connect(
        backend=swf.backend.value,
        engine_socket=service.engine_socket,
        region=swf.region,
        profile=swf.profile,
        endpoint_url=swf.endpoint_url,
        connect_timeout_s=swf.connect_timeout_s,
        read_timeout_s=swf.read_timeout_s,
    )


def identity(pool: str) -> str:
    """Who polls, as the Started events show it: host:pid:pool."""
    return f"{socket.gethostname()}:{os.getpid()}:{pool}"[:IDENTITY_CHARACTERS]
