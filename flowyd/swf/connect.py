"""Which client for which backend: the lean one for the embedded engine, boto3's for Amazon SWF."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from flowyd.errors import ConfigError
from flowyd.swf.client import PollingClient
from flowyd.swf.lean import LeanClient

#: Where scripts find the engine when nothing else tells them: unix:///path or http://127.0.0.1:port.
ENDPOINT_VARIABLE = "FLOWYD_ENDPOINT"


def connect(
    *,
    backend: str,
    engine_socket: Path,
    region: str | None,
    profile: str | None,
    endpoint_url: str | None,
    connect_timeout_s: float,
    read_timeout_s: float,
) -> PollingClient:
    """A client for `backend`, which is `embedded` or `aws`; nothing is connected yet.

    Raises:
        ConfigError: there is no such backend.
    """
    if backend == "embedded":
        return LeanClient(
            f"unix://{engine_socket.absolute()}",
            connect_timeout_s=connect_timeout_s,
            read_timeout_s=read_timeout_s,
        )
    if backend == "aws":
        # 0.3 s and 20 MB, only where it is needed.
        from flowyd.swf.boto import BotoClient

        return BotoClient(
            region=region,
            profile=profile,
            endpoint_url=endpoint_url,
            connect_timeout_s=connect_timeout_s,
            read_timeout_s=read_timeout_s,
        )
    raise ConfigError([f"backend {backend!r} is unknown; it must be 'embedded' or 'aws'"])


def endpoint_of(environment: Mapping[str, str]) -> str | None:
    """The local endpoint that the environment names for scripts; None if it names none."""
    return environment.get(ENDPOINT_VARIABLE) or None
