"""TLS on TCP endpoints: SDKs speak to it, plain HTTP is refused at once, slow handshakes are limited."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowyd.engine import tls
from flowyd.swf.boto import BotoClient
from flowyd.swf.faults import UnrecognizedClientException
from flowyd.swf.lean import LeanClient
from tests.contract.certificates import make_certificate
from tests.contract.engine_process import EngineProcess
from tests.contract.wire import message, read_response, served

DOMAINS = {"registrationStatus": "REGISTERED"}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def encrypted(
    certificate: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EngineProcess]:
    """An engine that speaks TLS and takes signed requests."""
    folder = tmp_path_factory.mktemp("engine")
    keys = folder / "keys.toml"
    keys.write_text('[[key]]\nid = "writer"\nsecret = "sesame"\n')
    keys.chmod(0o600)
    options = ("--tls-certificate", str(certificate[0]), "--tls-key", str(certificate[1]))
    engine = EngineProcess(folder, ("--keys", str(keys), "--limit", "poll=1s", *options)).start()
    yield engine
    assert engine.stop() == 0


def boto(
    engine: EngineProcess, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, secret: str
) -> BotoClient:
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate[0]))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "writer" if secret == "sesame" else "stranger")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    return BotoClient(region="eu-west-1", endpoint_url=engine.https)


def trusting(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate[0]))


def test_boto3_speaks_to_the_engine_over_https(
    encrypted: EngineProcess, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = boto(encrypted, certificate, monkeypatch, "sesame")

    client.call("RegisterDomain", {"name": "d", "workflowExecutionRetentionPeriodInDays": "1"})
    polled = client.call("PollForActivityTask", {"domain": "d", "taskList": {"name": "list"}})

    assert client.call("ListDomains", DOMAINS)["domainInfos"][0]["name"] == "d"
    assert polled["startedEventId"] == 0


def test_a_wrong_key_is_refused_over_https(
    encrypted: EngineProcess, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnrecognizedClientException):
        boto(encrypted, certificate, monkeypatch, "wrong").call("ListDomains", DOMAINS)


def test_a_client_without_tls_is_cut_off_at_once(encrypted: EngineProcess) -> None:
    began_at = time.monotonic()
    with socket.create_connection(("127.0.0.1", encrypted.port), timeout=5) as plain:
        plain.sendall(message("ListDomains", DOMAINS))

        received = b""
        try:
            while data := plain.recv(4096):
                received += data
        except ConnectionResetError:
            pass

    assert b"HTTP" not in received
    assert time.monotonic() - began_at < 2


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_old_versions_of_tls_are_refused(encrypted: EngineProcess) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.maximum_version = ssl.TLSVersion.TLSv1_1

    with (
        socket.create_connection(("127.0.0.1", encrypted.port), timeout=5) as old,
        pytest.raises(ssl.SSLError),
    ):
        context.wrap_socket(old)


def test_the_unix_socket_stays_plain(encrypted: EngineProcess) -> None:
    assert "domainInfos" in LeanClient(encrypted.unix).call("ListDomains", DOMAINS)


def test_large_requests_and_answers_pass(encrypted: EngineProcess, certificate: tuple[Path, Path]) -> None:
    with (
        socket.create_connection(("127.0.0.1", encrypted.port), timeout=10) as plain,
        trusting(certificate).wrap_socket(plain, server_hostname="127.0.0.1") as connected,
    ):
        connected.sendall(message("ListDomains", body=b'{"name":"' + b"x" * 1_100_000 + b'"}'))
        refused = connected.recv(65_536)
        connected.sendall(b"GET /health HTTP/1.1\r\n\r\n" * 300)
        answers = b""
        while answers.count(b"ok\n") < 300:
            answers += connected.recv(65_536)

    assert b"ValidationException" in refused


def test_handshakes_that_say_nothing_keep_nobody_out(
    encrypted: EngineProcess, certificate: tuple[Path, Path]
) -> None:
    silent = [
        socket.create_connection(("127.0.0.1", encrypted.port), timeout=5)
        for _ in range(tls.MOST_HANDSHAKES + 20)
    ]
    try:
        began_at = time.monotonic()
        with (
            socket.create_connection(("127.0.0.1", encrypted.port), timeout=5) as plain,
            trusting(certificate).wrap_socket(plain, server_hostname="127.0.0.1") as connected,
        ):
            connected.sendall(b"GET /health HTTP/1.1\r\n\r\n")
            assert connected.recv(4096).startswith(b"HTTP/1.1 200")
        assert time.monotonic() - began_at < 2
        silent[0].settimeout(5)
        assert silent[0].recv(1) == b""
    finally:
        for each in silent:
            each.close()


def test_a_slow_handshake_is_given_up(
    certificate: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "HANDSHAKE_S", 0.2)

    async def scenario() -> bytes:
        async with served(tmp_path) as wire:
            listening = socket.create_server(("127.0.0.1", 0))
            await wire.server.listen(listening, None, tls.server_context(*certificate))
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            return await asyncio.wait_for(reader.read(), 5)

    assert asyncio.run(scenario()) == b""


def test_pipelined_requests_are_answered_over_tls(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    async def scenario() -> list[str]:
        async with served(tmp_path) as wire:
            listening = socket.create_server(("127.0.0.1", 0))
            await wire.server.listen(listening, None, tls.server_context(*certificate))
            reader, writer = await asyncio.open_connection(
                *listening.getsockname(), ssl=trusting(certificate), server_hostname="127.0.0.1"
            )
            names = [str(number) for number in range(100)]
            writer.write(b"".join(message("DescribeDomain", {"name": name}) for name in names))
            return [json.loads((await read_response(reader)).body)["name"] for _ in names]

    assert asyncio.run(scenario()) == [str(number) for number in range(100)]


REFUSED = {
    "key only": (["--tls-key", "KEY"], 2, "need each other"),
    "not on TCP": (["--tls-certificate", "CERTIFICATE", "--tls-key", "KEY"], 2, "TLS is for TCP endpoints"),
    "no such file": (
        [
            "--listen",
            "127.0.0.1:0",
            "--any-credentials",
            "--tls-certificate",
            "nowhere.pem",
            "--tls-key",
            "KEY",
        ],
        78,
        "nowhere.pem: No such file",
    ),
    "no certificate": (
        ["--listen", "127.0.0.1:0", "--any-credentials", "--tls-certificate", "OTHER", "--tls-key", "KEY"],
        78,
        "are no certificate and its key in PEM form",
    ),
    "key open to others": (
        [
            "--listen",
            "127.0.0.1:0",
            "--any-credentials",
            "--tls-certificate",
            "CERTIFICATE",
            "--tls-key",
            "OPEN",
        ],
        78,
        "lets others at the key",
    ),
    "key with a password": (
        [
            "--listen",
            "127.0.0.1:0",
            "--any-credentials",
            "--tls-certificate",
            "CERTIFICATE",
            "--tls-key",
            "LOCKED",
        ],
        78,
        "is protected by a password",
    ),
}


@pytest.mark.parametrize(("options", "code", "text"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_served_is_refused_with_reason_and_code(
    certificate: tuple[Path, Path], tmp_path: Path, options: list[str], code: int, text: str
) -> None:
    files = {name: tmp_path / f"{name}.pem" for name in ("OTHER", "OPEN", "LOCKED")} | {
        "CERTIFICATE": certificate[0],
        "KEY": certificate[1],
    }
    files["OTHER"].write_text("no certificate")
    files["OPEN"].write_bytes(certificate[1].read_bytes())
    files["OPEN"].chmod(0o644)
    lock = ["openssl", "pkcs8", "-topk8", "-in", str(certificate[1]), "-passout", "pass:secret"]
    subprocess.run([*lock, "-out", str(files["LOCKED"])], check=True, capture_output=True, timeout=30)
    files["LOCKED"].chmod(0o600)

    command = [sys.executable, "-m", "flowyd", "engine", "--database", str(tmp_path / "engine.db")]
    command += ["--socket", str(tmp_path / "engine.sock")]
    command += [str(files.get(option, option)) for option in options]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL
    )

    assert (ended.returncode, text in ended.stderr) == (code, True), ended.stderr
    assert "Traceback" not in ended.stderr
