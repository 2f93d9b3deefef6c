"""HTTP without a socket: any cut of the bytes gives the same requests, and limits hold."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowyd.engine.http import HttpRequest, RequestReader, ResponseWriter
from flowyd.errors import ProtocolError

REQUESTS = (
    b"POST / HTTP/1.1\r\nX-Amz-Target: SimpleWorkflowService.ListDomains\r\nContent-Length: 2\r\n\r\n{}"
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    b"GET /health?x=1 HTTP/1.0\r\nA: 1\r\na: 2\r\n\r\n"
)


def read(*pieces: bytes) -> list[HttpRequest]:
    reader = RequestReader()
    found: list[HttpRequest] = []
    for piece in pieces:
        found += reader.feed(piece)
    assert not reader.has_begun
    return found


def test_requests_are_read_with_all_that_belongs_to_them() -> None:
    first, third, second = read(REQUESTS)

    assert (first.method, first.action, first.body, first.keep_alive) == ("POST", "ListDomains", b"{}", True)
    assert (second.method, second.target, second.keep_alive) == ("GET", b"/health?x=1", False)
    assert second.headers == [(b"a", b"1"), (b"a", b"2")]
    assert (third.action, third.body) == (None, b"abc")


def test_what_cannot_be_read_makes_the_request_before_it_the_last_one() -> None:
    sent = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}\x00garbage"

    (request,) = RequestReader().feed(sent)

    assert (request.body, request.keep_alive) == (b"{}", False)


@given(st.lists(st.integers(0, len(REQUESTS)), max_size=6))
def test_any_cut_of_the_bytes_gives_the_same_requests(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(REQUESTS)]

    assert read(*(REQUESTS[a:b] for a, b in pairwise(places))) == read(REQUESTS)


@given(st.binary(max_size=200))
def test_any_bytes_give_requests_or_a_protocol_error(sent: bytes) -> None:
    reader = RequestReader()
    try:
        requests = reader.feed(sent)
    except ProtocolError:
        return
    assert all(isinstance(request, HttpRequest) for request in requests)


@pytest.mark.parametrize("size", [1, 1_000, 100_000])
def test_a_head_without_end_is_refused_however_it_is_cut(size: int) -> None:
    reader = RequestReader()
    sent = b"POST / HTTP/1.1\r\nX-Long: " + b"x" * 40_000

    pieces = [sent[start : start + size] for start in range(0, len(sent), size)] + [b"\r\n\r\n"]

    with pytest.raises(ProtocolError, match="longer than 16384"):
        list(map(reader.feed, pieces))


def test_headers_after_a_body_count_like_those_before_it() -> None:
    reader = RequestReader()
    reader.feed(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n")

    trailers = [f"X-{number}: {'x' * 40}\r\n".encode() for number in range(1_000)]

    with pytest.raises(ProtocolError, match="longer than 16384"):
        list(map(reader.feed, trailers))


@pytest.mark.parametrize(("size", "waits"), [(2, True), (1_048_577, False)])
def test_who_waits_for_leave_to_send_a_body_is_told_once_unless_it_is_too_large(
    size: int, waits: bool
) -> None:
    head = f"POST / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: {size}\r\n\r\n".encode()
    reader = RequestReader()
    asked = []
    for piece in (head[:50], head[50:], b"x", b"x" * (size - 1), head):
        reader.feed(piece)
        asked += [reader.take_continue(), reader.take_continue()]

    assert asked == [False, False, waits, False, False, False, False, False, waits, False]


def test_a_large_body_is_thrown_away_and_marked() -> None:
    body = b"x" * 1_048_577
    head = f"POST / HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()

    (request,) = read(head + body)

    assert (request.is_too_large, request.body) == (True, b"")


def test_request_ids_are_version_4_uuids_and_differ() -> None:
    writer = ResponseWriter()
    answers = [
        writer.response(status=200, content_type="text/plain", body=b"", keep_alive=True) for _ in range(100)
    ]

    ids = {line for answer in answers for line in answer.decode().split("\r\n") if "RequestId" in line}

    assert len(ids) == 100
    assert json.dumps(sorted(ids)[0]).count("-") == 6
