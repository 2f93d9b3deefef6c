"""Stores of large payloads: a directory, or a bucket of Amazon S3. Each payload has the name of its hash.

Storing a payload that is there already renews its age, so that what is older than any execution may be open
can be deleted by age. Nothing here deletes.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowyd.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

#: Bytes of a payload's text; surrogates too, as JSON may hold them.
_ENCODING, _ERRORS = "utf-8", "surrogatepass"
#: What files and folders take of the directory's mode (set-group-id hands its group down).
_FILE_BITS, _FOLDER_BITS = 0o666, 0o2777


class DirectoryStore:
    """Payloads as files `ab/abcdef…` below a directory that all workers can read and write.

    Whom the directory lets in, by owner, group and mode, is let in to what is made in it: a payload that
    root's command line wrote must not be lost on a worker of another user.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, key: str, text: str) -> None:
        """Writes the file whole or not at all; it is on the disk when this returns.

        Raises:
            StoreError: the directory cannot be written.
        """
        path = self._path(key)
        try:
            with suppress(FileNotFoundError):
                os.utime(path)
                return
            self._make_place(path.parent)
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".new-", delete=False) as file:
                try:
                    file.write(text.encode(_ENCODING, _ERRORS))
                    file.flush()
                    self._let_in(file.fileno(), _FILE_BITS)
                    os.fsync(file.fileno())
                    Path(file.name).replace(path)
                except BaseException:
                    Path(file.name).unlink(missing_ok=True)
                    raise
            _sync(path.parent)
        except OSError as error:
            raise StoreError(f"{path} cannot be written: {error}") from error

    def get(self, key: str) -> str:
        """Reads the file.

        Raises:
            StoreError: it is not there, or cannot be read.
        """
        path = self._path(key)
        try:
            return path.read_bytes().decode(_ENCODING, _ERRORS)
        except (OSError, ValueError) as error:
            raise StoreError(f"{path} cannot be read: {error}") from error

    def _make_place(self, place: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            place.mkdir()
            self._let_in(place, _FOLDER_BITS)

    def _let_in(self, made: Path | int, bits: int) -> None:
        """Gives what was just made the directory's own mode and, where we may, its owner and group."""
        own = self._folder.stat()
        if os.geteuid() == 0:
            os.chown(made, own.st_uid, own.st_gid)
        os.chmod(made, own.st_mode & bits)

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / key


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class S3Store:
    """Payloads as objects `prefix/abcdef…` of a bucket; connects when first used."""

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        region: str | None = None,
        profile: str | None = None,
        endpoint_url: str | None = None,
    ) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._region = region
        self._profile = profile
        self._endpoint_url = endpoint_url
        self._client: Any = None

    def put(self, key: str, text: str) -> None:
        """Uploads the object, anew if it is there.

        Raises:
            StoreError: S3 does not take it.
        """
        body = text.encode(_ENCODING, _ERRORS)
        self._call(key, lambda client, where: client.put_object(**where, Body=body))

    def get(self, key: str) -> str:
        """Downloads the object.

        Raises:
            StoreError: it is not there, or S3 does not give it.
        """
        body: bytes = self._call(key, lambda client, where: client.get_object(**where)["Body"].read())
        return body.decode(_ENCODING, _ERRORS)

    def _call(self, key: str, do: Callable[[Any, dict[str, str]], Any]) -> Any:
        # 0.2 s and 15 MB, only where it is needed.
        import botocore.session
        from botocore.exceptions import BotoCoreError, ClientError

        where = {"Bucket": self._bucket, "Key": f"{self._prefix}{key}"}
        try:
            if self._client is None:
                session: Any = botocore.session.Session(profile=self._profile)
                self._client = session.create_client(
                    "s3", region_name=self._region, endpoint_url=self._endpoint_url
                )
            return do(self._client, where)
        except (BotoCoreError, ClientError, ValueError) as error:
            raise StoreError(f"s3://{self._bucket}/{where['Key']}: {error}") from error


def open_store(
    where: str | os.PathLike[str],
    *,
    region: str | None = None,
    profile: str | None = None,
    endpoint_url: str | None = None,
) -> DirectoryStore | S3Store:
    """The store at an absolute directory or at `s3://bucket/prefix`; nothing is opened yet.

    Raises:
        ConfigError: it is neither.
    """
    text = os.fspath(where)
    if text.startswith("s3://"):
        bucket, _, prefix = text.removeprefix("s3://").partition("/")
        if bucket:
            return S3Store(bucket, prefix, region=region, profile=profile, endpoint_url=endpoint_url)
    elif text.startswith("/"):
        return DirectoryStore(Path(text))
    raise ConfigError([f"a payload store is an absolute directory or s3://bucket/prefix, not {text!r}"])
