"""The client for Amazon SWF and every endpoint that is not local. The only module that imports boto3.

Answers are SWF's JSON shapes as from the lean client: timestamps as epoch seconds, nothing of botocore's own.
Parameters go to the service unchecked, so that the same fault comes from the same mistake with both clients.
botocore sends a request again when throttled or when a connection fails, except for polls: a poll whose
answer got lost may have been handed a task, and the next poll comes anyway.
"""

from __future__ import annotations

import math
import os
import select
import threading
from collections.abc import Callable, Mapping
from typing import Any, cast

import boto3  # 0.3 s and 20 MB: this module is imported where a remote endpoint is configured, nowhere else
import botocore.session
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's name; the built-in one is not used here
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)

from flowyd.errors import ConfigError, ProtocolError, UnreachableError
from flowyd.swf.actions import POLLS
from flowyd.swf.client import Answer, Readable, Request
from flowyd.swf.faults import fault_from_wire

#: Sent once, and again after throttling or a broken connection.
_MOST_ATTEMPTS = 4

_HOW_TO_SIGN = "give access keys by profile, environment or instance role, as for every AWS tool"


class BotoClient:
    """A caller of Amazon SWF; implements `PollingClient`. Not for use from two threads at once."""

    def __init__(
        self,
        region: str | None = None,
        profile: str | None = None,
        endpoint_url: str | None = None,
        connect_timeout_s: float = 10.0,
        read_timeout_s: float = 75.0,
    ) -> None:
        self._where = endpoint_url or f"Amazon SWF in {region or 'the default region'}"
        self._profile = profile
        self._region = region
        self._endpoint_url = endpoint_url
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        #: By the number of attempts: one client for polls, one for everything else; made when first used.
        self._clients: dict[int, Any] = {}

    def call(self, action: str, request: Request) -> Answer:
        """See `SwfClient.call`."""
        client = self._client(1 if action in POLLS else _MOST_ATTEMPTS)
        method = cast("Callable[..., dict[str, Any]]", getattr(client, xform_name(action)))
        try:
            answer = method(**_with_whole_seconds(request))
        except ClientError as error:
            raised = error.response.get("Error", {})
            raise fault_from_wire(raised.get("Code", ""), raised.get("Message", "")) from error
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise ConfigError([f"{self._where}: {error}; {_HOW_TO_SIGN}"]) from error
        except (ConnectionError, HTTPClientError) as error:
            raise UnreachableError(
                f"{self._where} gave no answer to {action}: {error}; check endpoint and network"
            ) from error
        except BotoCoreError as error:
            raise ProtocolError(f"{action} at {self._where} failed: {error}") from error
        answer.pop("ResponseMetadata", None)
        return answer

    def poll(self, action: str, request: Request, *, withdraw: Readable) -> Answer | None:
        """See `PollingClient.poll`; one that was sent is waited for, Amazon SWF cannot take it back."""
        if select.select([withdraw], [], [], 0)[0]:
            return None
        return self.call(action, request)

    @staticmethod
    def new_poll_id() -> str:
        """No id: Amazon SWF cannot repeat a poll."""
        return ""

    def begin_poll(self, action: str, request: Request, poll_id: str | None = None) -> PendingCall:
        """Sends the poll from a thread of its own, so that several polls can be waited for at once."""
        del poll_id
        # botocore's clients may be used by several threads, but only one at a time may make one.
        self._client(1)
        return PendingCall(lambda: self.call(action, request))

    def close(self) -> None:
        """See `SwfClient.close`."""
        while self._clients:
            self._clients.popitem()[1].close()

    def _client(self, attempts: int) -> Any:
        if attempts not in self._clients:
            config = Config(
                connect_timeout=self._connect_timeout_s,
                read_timeout=self._read_timeout_s,
                retries={"mode": "standard", "total_max_attempts": attempts},
                parameter_validation=False,
                user_agent_extra="flowyd",
            )
            try:
                self._clients[attempts] = _session(self._profile, self._region).client(
                    "swf", endpoint_url=self._endpoint_url, config=config
                )
            except NoRegionError as error:
                raise ConfigError([f"{self._where}: no region; set [swf] region"]) from error
            except (ProfileNotFound, ValueError) as error:
                raise ConfigError([f"{self._where}: {error}"]) from error
        return self._clients[attempts]


class PendingCall:
    """A poll under way in a thread; readable (fileno) when `finish` will not wait."""

    #: There is nothing to repeat.
    was_read = True
    #: The pipe says when.
    is_here = False

    def __init__(self, call: Callable[[], Answer]) -> None:
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC)
        self._call = call
        self._answer: Answer | None = None
        self._error: Exception | None = None
        # A daemon thread: whoever ends without waiting for the poll must not be kept.
        self._thread = threading.Thread(target=self._run, name="poll", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """The end of a pipe that becomes readable with the answer."""
        return self._reader

    def withdraw(self) -> None:
        """Nothing: Amazon SWF cannot take a poll back; `finish` waits for it, about a minute at most."""

    def finish(self) -> Answer | None:
        """The answer. Raises what `BotoClient.call` raises."""
        self._thread.join()
        os.close(self._reader)
        if self._error is not None:
            raise self._error
        return self._answer

    def _run(self) -> None:
        try:
            self._answer = self._call()
        except Exception as error:
            self._error = error
        finally:
            os.close(self._writer)


def _session(profile: str | None, region: str | None) -> boto3.Session:
    inner = botocore.session.Session(profile=profile)
    # Timestamps stay what they are on the wire, numbers of epoch seconds.
    inner.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=float)
    return boto3.Session(botocore_session=inner, region_name=region)


def _with_whole_seconds(request: Request) -> dict[str, Any]:
    """The request with time filters widened to whole seconds: botocore cuts fractions off."""
    sent = dict(request)
    for name in ("startTimeFilter", "closeTimeFilter"):
        bounds = sent.get(name)
        if isinstance(bounds, Mapping) and isinstance(bounds.get("latestDate"), float):
            sent[name] = {**bounds, "latestDate": math.ceil(bounds["latestDate"])}
    return sent
