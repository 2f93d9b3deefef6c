"""The stores as others see them: S3 as a server on loopback that keeps objects, and many writers at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from flowyd.config.records import PayloadStorage
from flowyd.errors import StoreError
from flowyd.sdk.payloads import payloads, sent
from flowyd.swf.payload_stores import DirectoryStore, S3Store
from flowyd.worker.payloads import use_storage

_MISSING = b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>'


class _Objects(BaseHTTPRequestHandler):
    kept: dict[str, bytes]

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["X-Amz-Decoded-Content-Length"] or 0) or self._length())
        if "aws-chunked" in (self.headers.get("Content-Encoding") or ""):
            raise AssertionError("this server takes plain bodies only")
        self.kept[self.path] = body
        self._answer(200, b"")

    def do_GET(self) -> None:
        found = self.kept.get(self.path)
        self._answer(404 if found is None else 200, _MISSING if found is None else found)

    def _length(self) -> int:
        return int(self.headers["Content-Length"])

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, dict[str, bytes]]]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    kept: dict[str, bytes] = {}
    server = HTTPServer(("127.0.0.1", 0), type("Objects", (_Objects,), {"kept": kept}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", kept
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_is_put_can_be_got(objects: tuple[str, dict[str, bytes]]) -> None:
    endpoint, kept = objects
    store = S3Store("bucket", "some/prefix/", region="eu-west-1", endpoint_url=endpoint)

    store.put("abcd", '"häßlich"')

    assert store.get("abcd") == '"häßlich"'
    assert list(kept) == ["/bucket/some/prefix/abcd"]


def test_the_configuration_names_a_bucket(objects: tuple[str, dict[str, bytes]]) -> None:
    endpoint, kept = objects
    storage = PayloadStorage(
        store="s3://bucket/prefix", above_characters=160, region="eu-west-1", endpoint_url=endpoint
    )

    use_storage(storage)
    try:
        travelled = sent("x" * 200, "the input")
        use_storage(storage)
        again = payloads.text(travelled)
    finally:
        payloads.use(None)

    assert len(travelled) < 160
    assert again == "x" * 200
    assert list(kept) == [f"/bucket/prefix/{sha256(again.encode()).hexdigest()}"]


def test_what_is_not_there_is_named(objects: tuple[str, dict[str, bytes]]) -> None:
    endpoint, _ = objects
    store = S3Store("bucket", region="eu-west-1", endpoint_url=endpoint)

    with pytest.raises(StoreError, match=r"s3://bucket/abcd: .*NoSuchKey"):
        store.get("abcd")


def test_many_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    keys = [f"{number:02x}cd" for number in range(256)]

    def write(_: int) -> None:
        store = DirectoryStore(tmp_path)
        for key in keys:
            store.put(key, f"text of {key}")

    with ThreadPoolExecutor(8) as writers:
        list(writers.map(write, range(8)))

    assert {key: DirectoryStore(tmp_path).get(key) for key in keys} == {key: f"text of {key}" for key in keys}
    assert sorted(file.name for file in tmp_path.rglob("*") if file.is_file()) == keys
