"""Which files an installation on a host consists of, and how they are placed and removed again.

A file is written where there is none, replaced where it is as we left it, and never touched where somebody
edited it: then the new one is put beside it as `NAME.new`. What was placed is written down with digests in
`/etc/flowyd/.installed`. A root other than `/` is for packagers and tests: nothing outside of it is touched.
"""

from __future__ import annotations

import hashlib
import json
import os
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flowyd.errors import FlowydError

_RECORD = Path("etc/flowyd/.installed")
_DIRECTORIES = (Path("etc/flowyd/activities"), Path("etc/flowyd/workflows"))
_UNIT_FOLDER = Path("etc/systemd/system")
_DROP_INS = _UNIT_FOLDER / "flowyd.service.d"
#: The program that the unit as it is shipped starts.
_SHIPPED_PROGRAM = "/usr/bin/flowyd"

_FILES = {
    Path("units/flowyd.service"): _UNIT_FOLDER / "flowyd.service",
    Path("units/flowyd.socket"): _UNIT_FOLDER / "flowyd.socket",
    Path("units/flowyd.sysusers.conf"): Path("usr/lib/sysusers.d/flowyd.conf"),
    Path("units/flowyd.tmpfiles.conf"): Path("usr/lib/tmpfiles.d/flowyd.conf"),
    Path("conf/flowyd.toml"): Path("etc/flowyd.toml"),
}
_SAMPLES = {
    Path("activities/images.py"): Path("etc/flowyd/activities/images.py"),
    Path("workflows/imagecateg.py"): Path("etc/flowyd/workflows/imagecateg.py"),
}
_OLD_SYSTEMD = {Path("units/flowyd-before-253.conf"): _DROP_INS / "reload.conf"}
_AWS = {Path("units/flowyd-aws.conf"): _DROP_INS / "aws.conf"}
_USERS = {Path("units/flowyd-users.conf"): _DROP_INS / "users.conf"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is installed."""

    root: Path
    #: What the unit starts.
    program: str = _SHIPPED_PROGRAM
    samples: bool = False
    aws: bool = False
    #: Pools may have users of their own.
    users: bool = False
    #: systemd is older than 253 and does not know Type=notify-reload.
    old_systemd: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What became of one file."""

    path: Path
    #: "written", "replaced", "unchanged", "kept", "removed".
    what: str


def install(choice: Choice) -> Iterator[Placed]:
    """Places everything; doing it again changes nothing.

    Raises:
        FlowydError: a file cannot be read or written.
    """
    wanted = {**_FILES}
    for given, more in (
        (choice.samples, _SAMPLES),
        (choice.aws, _AWS),
        (choice.users, _USERS),
        (choice.old_systemd, _OLD_SYSTEMD),
    ):
        wanted.update(more if given else {})
    source, digests = _source(), _read_record(choice.root)
    try:
        for directory in _DIRECTORIES:
            (choice.root / directory).mkdir(parents=True, exist_ok=True)
        for origin, place in wanted.items():
            content = (source / origin).read_bytes()
            if origin.name == "flowyd.service":
                content = content.replace(_SHIPPED_PROGRAM.encode(), choice.program.encode())
            yield Placed(path=Path("/") / place, what=_place(choice.root, place, content, digests))
        _write_record(choice.root, digests)
    except OSError as error:
        raise FlowydError(f"{error.filename}: {error.strerror}; installing is for root") from error


def uninstall(root: Path) -> Iterator[Placed]:
    """Removes what was placed and is as we left it, and folders that are empty then; never the state.

    Raises:
        FlowydError: nothing was installed there, or a file cannot be removed.
    """
    digests = _read_record(root)
    if not digests:
        raise FlowydError(f"nothing to remove: {root / _RECORD} lists nothing")
    try:
        for name, digest in digests.items():
            path = root / name
            if not path.exists():
                continue
            if _digest(path.read_bytes()) != digest:
                yield Placed(path=Path("/") / name, what="kept")
                continue
            path.unlink()
            yield Placed(path=Path("/") / name, what="removed")
        (root / _RECORD).unlink()
        for folder in (*_DIRECTORIES, _DROP_INS, Path("etc/flowyd")):
            if (root / folder).is_dir() and not any((root / folder).iterdir()):
                (root / folder).rmdir()
    except OSError as error:
        raise FlowydError(f"{error.filename}: {error.strerror}; uninstalling is for root") from error


def _place(root: Path, place: Path, content: bytes, digests: dict[str, str]) -> str:
    """Writes one file if that takes nothing from anybody; what was done."""
    path, name = root / place, str(place)
    before = path.read_bytes() if path.exists() else None
    known, digests[name] = digests.get(name), _digest(content)
    if before == content:
        return "unchanged"
    if before is not None and _digest(before) != known:
        _write(path.with_name(f"{path.name}.new"), content)
        # Ours is what we placed last: the edited one is not to be taken for it.
        digests[name] = known or digests[name]
        return "kept"
    _write(path, content)
    return "written" if before is None else "replaced"


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.flowyd-new")
    new.write_bytes(content)
    new.chmod(0o644)
    os.replace(new, path)


def _source() -> Path:
    """Where units, configuration and samples lie: beside the package, or in the installation's share."""
    for folder in (Path(__file__).parents[2], Path(sysconfig.get_path("data")) / "share" / "flowyd"):
        if (folder / "units" / "flowyd.service").is_file():
            return folder
    raise FlowydError("the unit files were not installed with flowyd; take them from its source")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read_record(root: Path) -> dict[str, str]:
    try:
        record = json.loads((root / _RECORD).read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise FlowydError(f"{root / _RECORD} cannot be read: {error}") from error
    return {str(name): str(digest) for name, digest in record.items()}


def _write_record(root: Path, digests: dict[str, str]) -> None:
    _write(root / _RECORD, (json.dumps(digests, indent=1) + "\n").encode())
