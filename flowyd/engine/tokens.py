"""Task tokens and page tokens: opaque base64, self-contained, signed, good across restarts.

A token is a packed record and the keyed BLAKE2b (RFC 7693) over it, with a secret that the database keeps.
Nobody can make or alter one without the secret, so what a token says is believed without a look-up. A page
token's signature also covers the query it belongs to: with any other query it is no token. A decision task's
token also says which history it was handed out with (`Hot.digest`): a task of one that was lost since is none
of the one that took its place. Source of the outer form: recorded answers (standard base64; a different
string each time it is handed out).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import itertools
import os
import struct

import msgspec

from flowyd.swf.faults import ValidationException
from flowyd.swf.limits import PAGE_TOKEN_S

_SIGNATURE_BYTES = 16
_NONCE_BYTES = 8
#: Form of token, kind of task, execution, scheduled event, started event, nonce, digest; the run id follows.
_TASK = struct.Struct(">BBQQQQI")
#: Form of token, issued at; the position follows.
_PAGE = struct.Struct(">Bd")
_TASK_FORM = 1
_PAGE_FORM = 2
_KINDS = ("activity", "decision")
#: So many of the last task tokens are remembered at least, and twice as many at most.
_REMEMBERED = 512


class TaskToken(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a task token says."""

    #: activity or decision.
    kind: str
    #: The execution's row in the database.
    execution_id: int
    run_id: str
    scheduled_event_id: int
    started_event_id: int
    #: Of the history up to the started event, for a decision task; 0 for an activity.
    digest: int = 0


class TokenCodec:
    """Makes and reads tokens with one secret; page tokens are good for `page_token_s` seconds."""

    def __init__(self, secret: bytes, *, page_token_s: float = PAGE_TOKEN_S) -> None:
        """`secret`: at most 64 bytes."""
        # Begun with the key once, and copied for each record.
        self._keyed = hashlib.blake2b(key=secret, digest_size=_SIGNATURE_BYTES)
        #: Random at the start, then counted: no two tokens are alike.
        self._nonces = itertools.count(int.from_bytes(os.urandom(_NONCE_BYTES - 1), "big"))
        self._page_token_s = page_token_s
        #: What the last task tokens say, and those before them: most come back soon, and need not be opened.
        self._remembered: dict[str, TaskToken] = {}
        self._remembered_before: dict[str, TaskToken] = {}

    def task_token(
        self,
        kind: str,
        execution_id: int,
        run_id: str,
        scheduled_event_id: int,
        started_event_id: int,
        digest: int = 0,
    ) -> str:
        """A new token for a task that is handed out; no two are alike."""
        head = _TASK.pack(
            _TASK_FORM,
            _KINDS.index(kind),
            execution_id,
            scheduled_event_id,
            started_event_id,
            next(self._nonces),
            digest,
        )
        text = self._sealed(head + run_id.encode(), b"")
        self._remembered[text] = TaskToken(
            kind=kind,
            execution_id=execution_id,
            run_id=run_id,
            scheduled_event_id=scheduled_event_id,
            started_event_id=started_event_id,
            digest=digest,
        )
        if len(self._remembered) >= _REMEMBERED:
            self._remembered, self._remembered_before = {}, self._remembered
        return text

    def read_task_token(self, text: str) -> TaskToken:
        """What the token says.

        Raises:
            ValidationException: it is none of ours.
        """
        remembered = self._remembered.get(text) or self._remembered_before.get(text)
        if remembered is not None:
            return remembered
        record = self._opened(text, b"")
        if len(record) < _TASK.size or record[0] != _TASK_FORM:
            raise ValidationException("Invalid token")
        _, kind, execution_id, scheduled, started, _, digest = _TASK.unpack_from(record)
        return TaskToken(
            kind=_KINDS[kind],
            execution_id=execution_id,
            run_id=record[_TASK.size :].decode(),
            scheduled_event_id=scheduled,
            started_event_id=started,
            digest=digest,
        )

    def page_token(self, query: str, position: str, issued_at: float) -> str:
        """A token for the page after `position` of the answer to `query`."""
        return self._sealed(_PAGE.pack(_PAGE_FORM, issued_at) + position.encode(), query.encode())

    def read_page_token(self, text: str, query: str, now: float) -> str:
        """The position that the token stands for.

        Raises:
            ValidationException: it is not a page token of this query, or too old.
        """
        record = self._opened(text, query.encode())
        if len(record) < _PAGE.size or record[0] != _PAGE_FORM:
            raise ValidationException("Invalid token")
        _, issued_at = _PAGE.unpack_from(record)
        if now - issued_at > self._page_token_s:
            # The wording of the service, seen in 2012.
            raise ValidationException("token exceeded it's maximum lifetime")
        return record[_PAGE.size :].decode()

    def _signature(self, record: bytes, bound_to: bytes) -> bytes:
        signature = self._keyed.copy()
        signature.update(len(record).to_bytes(4, "big") + record + bound_to)
        return signature.digest()

    def _sealed(self, record: bytes, bound_to: bytes) -> str:
        return base64.b64encode(self._signature(record, bound_to) + record).decode()

    def _opened(self, text: str, bound_to: bytes) -> bytes:
        try:
            sealed = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise ValidationException("Invalid token") from None
        signature, record = sealed[:_SIGNATURE_BYTES], sealed[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(record, bound_to)):
            raise ValidationException("Invalid token")
        return record
