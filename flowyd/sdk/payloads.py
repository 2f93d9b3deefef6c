"""Payloads too long for the service: kept in a store, with a reference to them on the wire.

Off until a store is named ([payloads] in the configuration, or `flowyd.store_payloads`). A payload is kept
under the hash of its text, so that the same payload has the same reference in every replay and is stored
once; nothing here ever deletes one.
A payload that cannot be had is nobody's answer (PayloadLost): an activity's task fails, a decision is left
alone and tried again.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256
from typing import Protocol

from flowyd.sdk.failures import PayloadError, PayloadLost
from flowyd.swf.limits import DATA_CHARACTERS
from flowyd.swf.references import Reference, from_wire

#: Characters of fetched payloads that a process keeps: a decision reads all its results again.
_REMEMBERED_CHARACTERS = 16 << 20


class PayloadStore(Protocol):
    """Where long payloads are kept, by the SHA-256 of their text in hexadecimal."""

    def put(self, key: str, text: str) -> None:
        """Keeps the text; one that is there already counts as new again.

        Raises:
            StoreError: it is not kept.
        """
        ...

    def get(self, key: str) -> str:
        """The text.

        Raises:
            StoreError: it is not there, or cannot be read.
        """
        ...


class Payloads:
    """The store of this process, if one was named; and the texts it had lately."""

    def __init__(self) -> None:
        self._store: PayloadStore | None = None
        self._above = DATA_CHARACTERS
        self._remembered: OrderedDict[str, str] = OrderedDict()
        self._characters = 0

    def use(self, store: PayloadStore | None, *, above: int = DATA_CHARACTERS) -> None:
        """From now on, texts of more than so many characters go to this store (None: they are refused)."""
        self._store = store
        self._above = min(above, DATA_CHARACTERS)
        self._remembered.clear()
        self._characters = 0

    def reference(self, text: str, what: str) -> str:
        """What travels for the text: itself, or a reference. Nothing is stored.

        Raises:
            PayloadError: it is too long, and there is no store; the message begins with `what`.
        """
        if len(text) <= self._above:
            return text
        if self._store is None:
            raise PayloadError(
                f"{what} is {len(text)} characters long, more than the {DATA_CHARACTERS} the service takes;"
                " pass a path or key of where it is stored instead, or name a store: [payloads] in the"
                " configuration, store_payloads in code"
            )
        return Reference(key=_key(text), characters=len(text)).to_wire()

    def store(self, text: str) -> None:
        """Keeps the text if it travels by reference.

        Raises:
            PayloadLost: the store does not take it.
        """
        if self._store is None or len(text) <= self._above:
            return
        key = _key(text)
        if key in self._remembered:
            return
        try:
            self._store.put(key, text)
        except Exception as error:
            raise PayloadLost(f"a payload cannot be stored: {error}") from error
        self._remember(key, text)

    def text(self, travelled: str) -> str:
        """The text that travelled, itself or by reference.

        Raises:
            PayloadLost: the store does not have it, or there is no store.
        """
        found = from_wire(travelled)
        if found is None:
            return travelled
        key = found.key
        if key in self._remembered:
            self._remembered.move_to_end(key)
            return self._remembered[key]
        if self._store is None:
            raise PayloadLost(
                f"the payload {key} is in a store; name it here too, in the configuration's [payloads] or"
                " with store_payloads"
            )
        try:
            text = self._store.get(key)
        except Exception as error:
            raise PayloadLost(f"the payload {key} cannot be read: {error}") from error
        if _key(text) != key:
            raise PayloadLost(f"the payload {key} is not what was stored under this name")
        self._remember(key, text)
        return text

    def _remember(self, key: str, text: str) -> None:
        self._remembered[key] = text
        self._characters += len(text)
        while self._characters > _REMEMBERED_CHARACTERS and len(self._remembered) > 1:
            self._characters -= len(self._remembered.popitem(last=False)[1])


def _key(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


#: Of this process, as the codecs are: the configuration names the store, or authors where they name their
#: types.
payloads = Payloads()


def sent(text: str, what: str) -> str:
    """What travels for the text, which is stored first if need be.

    Raises:
        PayloadError: it is too long, and there is no store; the message begins with `what`.
        PayloadLost: the store does not take it.
    """
    travels = payloads.reference(text, what)
    payloads.store(text)
    return travels
