"""What a worker process is to be before its own code runs: user, groups, limits, niceness, directory.

The supervisor looks the names up; the child takes it all on after the fork, root's part first. A child that
cannot take on its standing does not run.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import resource
from collections.abc import Iterable
from dataclasses import dataclass, field
from grp import getgrnam
from pathlib import Path

from flowyd.config.records import Pool
from flowyd.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A user to become."""

    name: str
    uid: int
    gid: int
    home: str

    def become(self) -> None:
        """Takes on user, group and groups, for good.

        Raises:
            OSError: we may not.
        """
        os.initgroups(self.name, self.gid)
        os.setresgid(self.gid, self.gid, self.gid)
        os.setresuid(self.uid, self.uid, self.uid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a child takes on."""

    #: None: it stays who the daemon is.
    owner: Owner | None = None
    nice: int = 0
    #: By name in small letters; None: unlimited.
    rlimits: dict[str, int | None] = field(default_factory=dict)
    directory: Path | None = None

    def take_on(self) -> None:
        """Becomes it, in the child.

        Raises:
            OSError, ValueError: something of it cannot be had.
        """
        for name, limit in self.rlimits.items():
            _set_limit(getattr(resource, f"RLIMIT_{name.upper()}"), limit)
        if self.nice:
            with contextlib.suppress(PermissionError):
                os.nice(self.nice)
        if self.owner is not None:
            self.owner.become()
            os.environ.update(HOME=self.owner.home, USER=self.owner.name, LOGNAME=self.owner.name)
        if self.directory is not None:
            os.chdir(self.directory)


def standing_of(pool: Pool) -> Standing:
    """The standing of the pool's workers.

    Raises:
        ConfigError: there is no such user or group, or only root could take it on.
    """
    return Standing(
        owner=_owner(pool), nice=pool.nice, rlimits=dict(pool.rlimits), directory=pool.working_directory
    )


def check_standings(pools: Iterable[Pool]) -> dict[str, Standing]:
    """The standings by pool.

    Raises:
        ConfigError: with a message for each pool that cannot have its.
    """
    found: dict[str, Standing] = {}
    problems: list[str] = []
    for pool in pools:
        try:
            standing = standing_of(pool)
        except ConfigError as error:
            problems += error.problems
            continue
        found[pool.name] = standing
        if standing.owner is not None and (why := _why_not_become(standing.owner)):
            problems.append(
                f'[[pool]] "{pool.name}" user, group: the daemon runs as root, but may not become '
                f"{standing.owner.name} ({why}); its sandbox must let it: flowyd install --users"
            )
    if problems:
        raise ConfigError(problems)
    return found


def _owner(pool: Pool) -> Owner | None:
    if pool.user is None and pool.group is None:
        return None
    title = f'[[pool]] "{pool.name}"'
    try:
        user = pwd.getpwnam(pool.user) if pool.user is not None else pwd.getpwuid(os.geteuid())
    except KeyError as error:
        raise ConfigError([f"{title} user: there is no user {pool.user!r} on this machine"]) from error
    try:
        gid = getgrnam(pool.group).gr_gid if pool.group is not None else user.pw_gid
    except KeyError as error:
        raise ConfigError([f"{title} group: there is no group {pool.group!r} on this machine"]) from error
    if os.geteuid() != 0:
        if user.pw_uid == os.geteuid() and gid == os.getegid():
            return None
        raise ConfigError(
            [
                f"{title} user, group: only a daemon that runs as root can have workers of another user; "
                "leave both out, run it as root, or, as a systemd service: flowyd install --users"
            ]
        )
    return Owner(name=user.pw_name, uid=user.pw_uid, gid=gid, home=user.pw_dir)


def _why_not_become(owner: Owner) -> str | None:
    """Tries it in a child: capabilities and system call filters have many ways to forbid it; None: we may."""
    pid = os.fork()
    if pid == 0:
        code = errno.EINVAL
        try:
            owner.become()
            code = 0
        except OSError as error:
            code = error.errno or code
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return None if code == 0 else os.strerror(code) if code > 0 else f"ended by signal {-code}"


def _set_limit(which: int, limit: int | None) -> None:
    """Sets soft and hard limit; one above what we may have becomes the highest that we may."""
    wanted = resource.RLIM_INFINITY if limit is None else limit
    try:
        resource.setrlimit(which, (wanted, wanted))
    except (PermissionError, ValueError):
        _, hard = resource.getrlimit(which)
        resource.setrlimit(which, (hard, hard))
