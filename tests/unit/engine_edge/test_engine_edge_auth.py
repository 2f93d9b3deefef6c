"""Signature Version 4 against botocore's signer as a foreign peer."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from flowyd.engine.auth import SKEW_S, SeenSignatures, SignatureGate
from flowyd.engine.http import HttpRequest
from flowyd.engine.keys import AccessKey, load_keys
from flowyd.errors import ConfigError
from flowyd.swf.faults import (
    AccessDeniedException,
    IncompleteSignatureException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
    SwfFault,
    UnrecognizedClientException,
)

KEYS = {
    "writer": AccessKey(id="writer", secret="sesame"),
    "reader": AccessKey(id="reader", secret="open", read_only=True),
}
ACTION = "TerminateWorkflowExecution"


def signed(*, key: str = "writer", secret: str = "sesame", action: str = ACTION) -> HttpRequest:
    """A request as botocore signs it, now."""
    request = AWSRequest(
        method="POST",
        url="http://127.0.0.1:8042/",
        data=b'{"domain":"d"}',
        headers={
            "X-Amz-Target": f"SimpleWorkflowService.{action}",
            "Content-Type": "application/x-amz-json-1.0",
            "Host": "127.0.0.1:8042",
        },
    )
    SigV4Auth(Credentials(key, secret, token="session"), "swf", "eu-west-1").add_auth(request)
    return HttpRequest(
        method="POST",
        target=b"/",
        headers=[(name.lower().encode(), value.encode()) for name, value in request.headers.items()],
        body=b'{"domain":"d"}',
    )


def now() -> float:
    return datetime.datetime.now(datetime.timezone.utc).timestamp()


def gate(clock: Callable[[], float] = now) -> SignatureGate:
    return SignatureGate(KEYS, clock)


def replaced(request: HttpRequest, name: bytes, value: bytes | None) -> HttpRequest:
    kept = [header for header in request.headers if header[0] != name]
    headers = kept if value is None else [*kept, (name, value)]
    return HttpRequest(method=request.method, target=request.target, headers=headers, body=request.body)


def test_a_request_signed_by_botocore_passes() -> None:
    gate().admit(signed(), ACTION)


def test_a_request_is_good_once() -> None:
    entrance, request = gate(), signed()
    entrance.admit(request, ACTION)

    with pytest.raises(InvalidSignatureException, match="used before"):
        entrance.admit(request, ACTION)


def test_a_read_may_come_twice() -> None:
    entrance, request = gate(), signed(action="DescribeDomain")

    entrance.admit(request, "DescribeDomain")
    entrance.admit(request, "DescribeDomain")


@pytest.mark.parametrize("offset_s", [SKEW_S + 2, -SKEW_S - 2])
def test_a_request_of_another_time_is_refused(offset_s: float) -> None:
    with pytest.raises(InvalidSignatureException, match="expired"):
        gate(lambda: now() + offset_s).admit(signed(), ACTION)


def altered_body(request: HttpRequest) -> HttpRequest:
    request.body += b" "
    return request


def altered_query(request: HttpRequest) -> HttpRequest:
    request.target += b"?a=1"
    return request


ALTERED: dict[str, tuple[Callable[[HttpRequest], HttpRequest], type[SwfFault]]] = {
    "body": (altered_body, InvalidSignatureException),
    "query": (altered_query, InvalidSignatureException),
    "operation": (
        lambda request: replaced(request, b"x-amz-target", b"SimpleWorkflowService.DeprecateDomain"),
        InvalidSignatureException,
    ),
    "host": (lambda request: replaced(request, b"host", b"elsewhere"), InvalidSignatureException),
    "session token": (
        lambda request: replaced(request, b"x-amz-security-token", b"other"),
        InvalidSignatureException,
    ),
    "no signature": (
        lambda request: replaced(request, b"authorization", None),
        MissingAuthenticationTokenException,
    ),
    "no date": (lambda request: replaced(request, b"x-amz-date", None), IncompleteSignatureException),
    "impossible date": (
        lambda request: replaced(request, b"x-amz-date", b"20261399T000000Z"),
        IncompleteSignatureException,
    ),
    "other scheme": (
        lambda request: replaced(request, b"authorization", b"Basic dTpw"),
        IncompleteSignatureException,
    ),
}


@pytest.mark.parametrize(("alter", "fault"), ALTERED.values(), ids=ALTERED)
def test_an_altered_request_is_refused(
    alter: Callable[[HttpRequest], HttpRequest], fault: type[SwfFault]
) -> None:
    with pytest.raises(fault):
        gate().admit(alter(signed()), ACTION)


def test_the_operation_must_be_signed() -> None:
    request = signed()
    header = (request.header(b"authorization") or b"").replace(b";x-amz-target", b"")

    with pytest.raises(InvalidSignatureException, match="x-amz-target"):
        gate().admit(replaced(request, b"authorization", header), ACTION)


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(UnrecognizedClientException):
        gate().admit(signed(key="nobody"), ACTION)


def test_a_wrong_secret_is_refused() -> None:
    with pytest.raises(InvalidSignatureException, match="does not match"):
        gate().admit(signed(secret="guess"), ACTION)


def test_a_read_only_key_changes_nothing() -> None:
    with pytest.raises(AccessDeniedException):
        gate().admit(signed(key="reader", secret="open"), ACTION)


def test_a_read_only_key_reads() -> None:
    gate().admit(signed(key="reader", secret="open", action="ListDomains"), "ListDomains")


def test_what_the_bounded_memory_forgot_is_refused_as_too_old() -> None:
    seen = SeenSignatures(most=2)
    for second in (100, 101, 102):
        assert seen.is_new(b"a", second, now=100.0)

    assert not seen.is_new(b"a", 100, now=100.0)
    assert not seen.is_new(b"b", 100, now=100.0)
    assert not seen.is_new(b"a", 101, now=100.0)
    assert seen.is_new(b"b", 102, now=100.0)


def write(file: Path, text: str, mode: int = 0o600) -> Path:
    file.write_text(text)
    file.chmod(mode)
    return file


def test_keys_come_from_a_file(tmp_path: Path) -> None:
    text = '[[key]]\nid = "a"\nsecret = "x"\n\n[[key]]\nid = "b"\nsecret = "y"\nread_only = true\n'

    keys = load_keys(write(tmp_path / "keys.toml", text))

    assert keys == {
        "a": AccessKey(id="a", secret="x"),
        "b": AccessKey(id="b", secret="y", read_only=True),
    }


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="0640 lets others"):
        load_keys(write(tmp_path / "keys.toml", '[[key]]\nid = "a"\nsecret = "x"\n', mode=0o640))


BAD_KEY_FILES = {
    "nothing in it": ("", r"no \[\[key\]\]"),
    "no secret": ('[[key]]\nid = "a"\n', "'secret' is missing"),
    "no TOML": ("[[key", "keys.toml"),
    "unknown member": ('[[key]]\nid = "a"\nsecret = "x"\nadmin = true\n', "unknown key 'admin'"),
    "wrong type": ('[[key]]\nid = "a"\nsecret = "x"\nread_only = "yes"\n', "must be a bool"),
    "twice": ('[[key]]\nid = "a"\nsecret = "x"\n[[key]]\nid = "a"\nsecret = "y"\n', "same id"),
    "no list": ("key = 1\n", r"no \[\[key\]\]"),
}


@pytest.mark.parametrize(("text", "problem"), BAD_KEY_FILES.values(), ids=BAD_KEY_FILES)
def test_a_wrong_key_file_is_refused_with_what_is_wrong(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        load_keys(write(tmp_path / "keys.toml", text))


def test_a_secret_does_not_show_in_logs() -> None:
    assert "sesame" not in repr(KEYS)
