"""Signature Version 4: who signed a request, and whether it came as it was signed, once, and in time.

The signature covers method, path, query, the headers it names and the body, so nothing of these can be
altered. A request is good for five minutes around its date; within them the signatures of requests that
change something are remembered, so none is carried out twice. The memory is bounded: when it is full the
oldest seconds are forgotten, and from then on requests dated in them are refused as too old.
Source: AWS General Reference, "Signature Version 4 signing process".
"""

from __future__ import annotations

import calendar
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from flowyd.engine.http import HttpRequest
from flowyd.engine.keys import AccessKey
from flowyd.swf.actions import READS
from flowyd.swf.faults import (
    AccessDeniedException,
    IncompleteSignatureException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
    UnrecognizedClientException,
)

#: How far the date of a request may be from ours, seconds (what AWS allows).
SKEW_S = 300
#: Signatures remembered at most; each takes about 150 bytes.
MOST_REMEMBERED = 200_000

_ALGORITHM = "AWS4-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<credential>[^,\s]+)\s*,\s*"
    r"SignedHeaders=(?P<headers>[^,\s]+)\s*,\s*Signature=(?P<signature>[0-9a-f]{64})"
)
_DATE = re.compile(r"[0-9]{8}T[0-9]{6}Z")
#: Without these a request could be sent to another service, at another time, or for another operation.
_MUST_BE_SIGNED = frozenset({"host", "x-amz-date", "x-amz-target"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """What the Authorization header says."""

    key_id: str
    #: date/region/service/aws4_request
    scope: str
    signed_headers: tuple[str, ...]
    signature: str


class SeenSignatures:
    """The signatures of the last minutes, by the second their requests are dated."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._by_second: dict[int, set[bytes]] = {}
        self._count = 0
        #: Requests dated up to this second are refused: their signatures may be forgotten.
        self._forgotten_until = 0

    def is_new(self, signature: bytes, dated_at: int, now: float) -> bool:
        """Whether the signature was not seen before; remembers it."""
        if dated_at <= self._forgotten_until:
            return False
        of_second = self._by_second.setdefault(dated_at, set())
        if signature in of_second:
            return False
        of_second.add(signature)
        self._count += 1
        if self._count > self._most:
            self._forget(now)
        return True

    def _forget(self, now: float) -> None:
        """Forgets what is too old to come again, or else the oldest second."""
        seconds = sorted(self._by_second)
        expired = [second for second in seconds if second < now - SKEW_S] or seconds[:1]
        for second in expired:
            self._count -= len(self._by_second.pop(second))
        self._forgotten_until = max(self._forgotten_until, expired[-1])


class SignatureGate:
    """Lets requests pass that one of the keys has signed."""

    def __init__(self, keys: Mapping[str, AccessKey], now: Callable[[], float]) -> None:
        self._keys = keys
        #: Wall clock, epoch seconds.
        self._now = now
        self._seen = SeenSignatures()

    def admit(self, request: HttpRequest, action: str) -> None:
        """Returns if the request may pass.

        Raises:
            MissingAuthenticationTokenException, IncompleteSignatureException, UnrecognizedClientException,
            InvalidSignatureException: it is not signed, not in full, by nobody known, or not this way.
            AccessDeniedException: the key may only read.
        """
        authorization = _authorization(request)
        date = (request.header(b"x-amz-date") or b"").decode("latin-1")
        dated_at = _dated_at(date)
        if not authorization.scope.startswith(f"{date[:8]}/"):
            raise InvalidSignatureException("The date of the credential is not that of the request")
        now = self._now()
        if abs(now - dated_at) > SKEW_S:
            raise InvalidSignatureException(f"Signature expired: {date} is more than {SKEW_S} s from now")
        key = self._keys.get(authorization.key_id)
        if key is None:
            raise UnrecognizedClientException("The security token included in the request is invalid")
        if not hmac.compare_digest(_signature(request, authorization, date, key), authorization.signature):
            raise InvalidSignatureException(
                "The request signature we calculated does not match the signature you provided"
            )
        if action in READS:
            return
        if key.read_only:
            raise AccessDeniedException(f"Key {key.id} may only read and is not authorized for {action}")
        if not self._seen.is_new(bytes.fromhex(authorization.signature)[:16], dated_at, now):
            raise InvalidSignatureException("This signature was used before")


def _authorization(request: HttpRequest) -> Authorization:
    sent = request.header(b"authorization")
    if sent is None:
        raise MissingAuthenticationTokenException("Missing Authentication Token")
    match = _AUTHORIZATION.fullmatch(sent.decode("latin-1").strip())
    if match is None:
        raise IncompleteSignatureException(f"The Authorization header must be in the form of {_ALGORITHM}")
    key_id, _, scope = match["credential"].partition("/")
    parts = scope.split("/")
    if len(parts) != 4 or parts[2:] != ["swf", "aws4_request"]:
        raise InvalidSignatureException("The credential must be scoped to DATE/REGION/swf/aws4_request")
    signed = tuple(match["headers"].split(";"))
    missing = _MUST_BE_SIGNED.difference(signed)
    if missing:
        raise InvalidSignatureException(f"Not signed, but must be: {', '.join(sorted(missing))}")
    return Authorization(key_id=key_id, scope=scope, signed_headers=signed, signature=match["signature"])


def _dated_at(date: str) -> int:
    if not _DATE.fullmatch(date):
        raise IncompleteSignatureException("X-Amz-Date must be in the form of YYYYMMDDTHHMMSSZ")
    try:
        return calendar.timegm(time.strptime(date, "%Y%m%dT%H%M%SZ"))
    except ValueError as error:
        raise IncompleteSignatureException(f"X-Amz-Date {date} is no date") from error


def _signature(request: HttpRequest, authorization: Authorization, date: str, key: AccessKey) -> str:
    """The signature that the key's owner would have made for this request."""
    digest = hashlib.sha256(_canonical_request(request, authorization.signed_headers)).hexdigest()
    to_sign = f"{_ALGORITHM}\n{date}\n{authorization.scope}\n{digest}"
    return hmac.new(_signing_key(key.secret, authorization.scope), to_sign.encode(), "sha256").hexdigest()


@lru_cache(maxsize=64)  # one entry per key, day and region
def _signing_key(secret: str, scope: str) -> bytes:
    made = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        made = hmac.digest(made, part.encode(), "sha256")
    return made


def _canonical_request(request: HttpRequest, signed_headers: tuple[str, ...]) -> bytes:
    path, _, query = request.target.partition(b"?")
    sent: dict[bytes, list[bytes]] = {}
    for name, value in request.headers:
        sent.setdefault(name, []).append(b" ".join(value.split()))
    lines = [name.encode() + b":" + b",".join(sent.get(name.encode(), [])) for name in signed_headers]
    return b"\n".join(
        (
            request.method.encode(),
            path,
            # SWF has no queries; what is sent here is covered as it is, so that it cannot be added.
            query,
            *lines,
            b"",
            ";".join(signed_headers).encode(),
            hashlib.sha256(request.body).hexdigest().encode(),
        )
    )
