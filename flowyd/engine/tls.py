"""TLS for TCP endpoints: the certificate, and connections whose handshake is under way.

A connection is the server's only once its handshake is done. Until then it is in a table of its own, bounded
in number and time: at the limit the oldest handshake gives way to the newest, so whoever opens connections
and says nothing, or says it slowly, holds neither descriptors nor memory for long. A peer that does not
speak TLS is cut off at its first bytes.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from pathlib import Path

from flowyd.errors import ConfigError

logger = logging.getLogger(__name__)

#: How long a handshake may take, seconds.
HANDSHAKE_S = 10.0
#: Handshakes under way at a time.
MOST_HANDSHAKES = 256


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """What the TCP endpoints show and speak: this certificate, TLS 1.2 or newer.

    Raises:
        ConfigError: the files cannot be read or do not fit, or others can read the key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION

    def no_password() -> str:
        raise ConfigError([f"{key}: is protected by a password, which nobody can type; store it without"])

    try:
        mode = key.stat().st_mode & 0o777
        if mode & 0o007:
            raise ConfigError([f"{key}: mode {mode:04o} lets others at the key; use chmod 600"])
        context.load_cert_chain(certificate, key, password=no_password)
    except ssl.SSLError as error:
        reason = error.reason or str(error)
        wrong = f"{certificate}, {key}: are no certificate and its key in PEM form: {reason}"
        raise ConfigError([wrong]) from error
    except OSError as error:
        raise ConfigError([f"{error.filename or certificate}: {error.strerror or error}"]) from error
    return context


class Handshakes:
    """The handshakes under way on all encrypted endpoints of one server."""

    def __init__(self) -> None:
        self._under_way: dict[Handshake, None] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    def begin(self, handshake: Handshake) -> None:
        """Takes one in; at the limit the oldest is given up."""
        self._under_way[handshake] = None
        if len(self._under_way) > MOST_HANDSHAKES:
            next(iter(self._under_way)).give_up()

    def end(self, handshake: Handshake) -> None:
        """It is done or has failed."""
        self._under_way.pop(handshake, None)

    def give_up(self) -> None:
        """Ends all of them."""
        for handshake in list(self._under_way):
            handshake.give_up()


class Handshake(asyncio.Protocol):
    """A connection before its first request; hands over to the protocol that `make` makes."""

    def __init__(
        self, table: Handshakes, context: ssl.SSLContext, make: Callable[[], asyncio.Protocol]
    ) -> None:
        self._table = table
        self._context = context
        self._make = make
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._task: asyncio.Task[None] | None = None
        #: What came with the handshake's last bytes.
        self._early = b""
        self._has_ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._table.begin(self)
        self._task = self._loop.create_task(self._shake_hands())

    def data_received(self, data: bytes) -> None:
        self._early += data

    def eof_received(self) -> None:
        self._has_ended = True

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._has_ended = True

    def give_up(self) -> None:
        """Closes at once."""
        self._table.end(self)
        if self._task is not None:
            self._task.cancel()
        self._transport.abort()

    async def _shake_hands(self) -> None:
        try:
            encrypted = await self._loop.start_tls(
                self._transport,
                self,
                self._context,
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_S,
            )
        except OSError as error:  # ssl.SSLError, a timeout and a reset are
            logger.debug("No handshake: %s", error, extra={"action": "connect"})
            self._transport.abort()
            return
        finally:
            self._table.end(self)
        if encrypted is None or self._has_ended:
            self._transport.abort()
            return
        protocol = self._make()
        encrypted.set_protocol(protocol)
        protocol.connection_made(encrypted)
        if self._early:
            protocol.data_received(self._early)
