"""Long payloads kept outside of the history, for who is not inside of an activity or workflow."""

from __future__ import annotations

import os

from flowyd.config.records import PayloadStorage
from flowyd.errors import StoreError
from flowyd.sdk.failures import PayloadLost
from flowyd.sdk.payloads import payloads, sent
from flowyd.swf.limits import DATA_CHARACTERS
from flowyd.swf.payload_stores import open_store


def store_payloads(
    where: str | os.PathLike[str],
    *,
    above: int = DATA_CHARACTERS,
    region: str | None = None,
    profile: str | None = None,
    endpoint_url: str | None = None,
) -> None:
    """Keeps arguments and results of more than `above` characters at this place, for this process.

    For scripts and tests: the daemon's workers and the command line know the place from the configuration's
    [payloads], which a module that calls this overrides. It must be the same in all processes. `where` is an
    absolute directory or `s3://bucket/prefix`; region, profile and endpoint are for S3, and otherwise what
    AWS tools find in their environment.

    Raises:
        ConfigError: `where` is neither.
    """
    store = open_store(where, region=region, profile=profile, endpoint_url=endpoint_url)
    payloads.use(store, above=above)


def use_storage(storage: PayloadStorage) -> None:
    """Keeps long payloads where the configuration says, if it does, for this process."""
    if storage.store is not None:
        store_payloads(
            storage.store,
            above=storage.above_characters,
            region=storage.region,
            profile=storage.profile,
            endpoint_url=storage.endpoint_url,
        )


def sent_by_script(text: str, what: str) -> str:
    """What travels for the text, which is stored first if need be.

    Raises:
        PayloadError: it is too long, and no store was named. StoreError: the store does not take it.
    """
    try:
        return sent(text, what)
    except PayloadLost as lost:
        raise StoreError(str(lost)) from lost


def whole_for_script(travelled: str) -> str:
    """The text that travelled, itself or by reference.

    Raises:
        StoreError: no store was named, or it does not have it.
    """
    try:
        return payloads.text(travelled)
    except PayloadLost as lost:
        raise StoreError(str(lost)) from lost
