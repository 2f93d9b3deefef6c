"""`[engine] listen` in the daemon: SDKs reach the engine over TCP with a key from the file, others do not."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flowyd.swf.boto import BotoClient
from flowyd.swf.faults import AccessDeniedException, LimitExceededFault, UnrecognizedClientException
from tests.contract.certificates import make_certificate
from tests.system.running_daemon import DOMAIN, RunningDaemon

DOMAINS = {"registrationStatus": "REGISTERED"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where the daemon's engine is reached, and the certificate to trust."""

    url: str
    certificate: Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """A daemon whose engine speaks TLS on a port, with two keys and a limit of two domains."""
    folder, port = tmp_path_factory.mktemp("daemon"), free_port()
    certificate, key = make_certificate(folder)
    keys = folder / "keys.toml"
    keys.write_text(
        '[[key]]\nid = "writer"\nsecret = "sesame"\n\n'
        '[[key]]\nid = "reader"\nsecret = "open"\nread_only = true\n'
    )
    keys.chmod(0o600)
    daemon = RunningDaemon(folder)
    daemon.configure(
        more=f'[engine]\nlisten = ["127.0.0.1:{port}"]\nkeys_file = "keys.toml"\n'
        f'tls_certificate = "{certificate.name}"\ntls_key = "{key.name}"\n[engine.limits]\ndomains = 2\n'
    )
    try:
        daemon.start()
        yield Endpoint(url=f"https://127.0.0.1:{port}", certificate=certificate)
    finally:
        daemon.destroy()


def client(endpoint: Endpoint, patch: pytest.MonkeyPatch, key_id: str, secret: str) -> BotoClient:
    patch.setenv("AWS_CONFIG_FILE", os.devnull)
    patch.setenv("AWS_CA_BUNDLE", str(endpoint.certificate))
    patch.setenv("AWS_ACCESS_KEY_ID", key_id)
    patch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    return BotoClient(region="eu-west-1", endpoint_url=endpoint.url)


def test_the_right_key_works(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = client(endpoint, monkeypatch, "writer", "sesame")

    writer.call("RegisterWorkflowType", {"domain": DOMAIN, "name": "remote", "version": "1"})

    listed = writer.call("ListDomains", DOMAINS)["domainInfos"]
    assert DOMAIN in [domain["name"] for domain in listed]


def test_a_limit_of_the_file_holds(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = client(endpoint, monkeypatch, "writer", "sesame")
    domain = {"workflowExecutionRetentionPeriodInDays": "1"}
    writer.call("RegisterDomain", {"name": "second", **domain})

    with pytest.raises(LimitExceededFault):
        writer.call("RegisterDomain", {"name": "third", **domain})


def test_a_wrong_key_is_refused(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnrecognizedClientException):
        client(endpoint, monkeypatch, "stranger", "x").call("ListDomains", DOMAINS)


def test_a_key_that_may_only_read_is_refused_for_writes(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = client(endpoint, monkeypatch, "reader", "open")
    assert reader.call("DescribeDomain", {"name": DOMAIN})["domainInfo"]["name"] == DOMAIN

    with pytest.raises(AccessDeniedException):
        reader.call("RegisterWorkflowType", {"domain": DOMAIN, "name": "refused", "version": "1"})
