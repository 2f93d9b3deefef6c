"""Who may look and who may change things: Unix groups, the roles they give, and the sockets' modes.

Root and the daemon's own user may do everything. The role is decided at each connection from what the kernel
says of the peer, so a socket's mode is only the first door: where both groups are configured no mode lets in
exactly the members of both, so everybody may connect and strangers are told that they may not.
"""

from __future__ import annotations

import grp
import logging
import os
import struct
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from flowyd.config.records import Backend, Config, Daemon
from flowyd.errors import ConfigError
from flowyd.supervisor.standing import check_standings

logger = logging.getLogger(__name__)

#: Both sockets are for the daemon's user and group, unless groups are configured.
SOCKET_MODE = 0o660
_OPEN_MODE = 0o666

#: POSIX access control lists as the kernel takes them (acl(5), linux/posix_acl_xattr.h).
_ACL_ATTRIBUTE = "system.posix_acl_access"
_ACL_VERSION = 2
_ACL_OWNER, _ACL_USER, _ACL_GROUP, _ACL_MASK, _ACL_OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_ACL_NOBODY = 0xFFFFFFFF
_READ_WRITE = 6


class Role(str, Enum):
    """What a peer of the control socket may do."""

    STRANGER = "none"  #: nothing
    VIEWER = "viewer"  #: ask
    OPERATOR = "operator"  #: ask and change


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The configured groups as numbers."""

    #: Operators; None: the daemon's own group.
    operators: int | None = None
    #: Viewers; None: whoever reaches the socket.
    viewers: int | None = None
    #: The groups' names, for messages.
    operators_name: str = ""
    viewers_name: str = ""

    def role_of(self, uid: int, groups: Collection[int]) -> Role:
        """What the peer may do, given its user and all its groups."""
        operators = os.getegid() if self.operators is None else self.operators
        if uid in (0, os.geteuid()) or operators in groups:
            return Role.OPERATOR
        if self.viewers is None or self.viewers in groups:
            return Role.VIEWER
        return Role.STRANGER

    def operators_in_words(self) -> str:
        """Who may change things."""
        group = f"members of {self.operators_name}" if self.operators_name else "the daemon's group"
        return f"root, the daemon's user and {group} may"

    def viewers_in_words(self) -> str:
        """Who may look."""
        return f"{self.operators_in_words()}, and members of {self.viewers_name}"


def access_of(daemon: Daemon) -> Access:
    """The groups of the configuration.

    Raises:
        ConfigError: there is no group of a name.
    """
    problems: list[str] = []
    operators = _gid("operators_group", daemon.operators_group, problems)
    viewers = _gid("viewers_group", daemon.viewers_group, problems)
    if problems:
        raise ConfigError(problems)
    return Access(
        operators=operators,
        viewers=viewers,
        operators_name=daemon.operators_group or "",
        viewers_name=daemon.viewers_group or "",
    )


def open_doors(config: Config) -> Access:
    """Who may do what by this configuration; the sockets let them in from now on.

    Raises:
        ConfigError: a group or user does not exist, or cannot be let in.
    """
    access = access_of(config.flowyd)
    standings = check_standings(config.pools)
    users = {standing.owner.uid for standing in standings.values() if standing.owner is not None}
    open_control_socket(config.flowyd.control_socket, access)
    if config.swf.backend is Backend.EMBEDDED:
        open_engine_socket(config.flowyd.engine_socket, access, users=users)
    return access


def open_control_socket(path: Path, access: Access) -> None:
    """Gives the control socket the mode and group that the groups ask for."""
    if access.operators is None and access.viewers is None:
        return
    if access.viewers is None and access.operators is not None and _give_to(path, access.operators):
        return
    os.chmod(path, _OPEN_MODE)


def open_engine_socket(path: Path, access: Access, *, users: Collection[int]) -> None:
    """Lets operators and the users of pools reach the engine; it is not for viewers.

    Raises:
        ConfigError: the file system cannot name single users.
    """
    if access.operators is not None and not _give_to(path, access.operators):
        logger.warning(
            "%s cannot be given to group %s: make the daemon's user a member of it, else its members "
            "cannot start or list executions",
            path,
            access.operators_name,
            extra={"action": "start"},
        )
    if users:
        _admit(path, users)


def _gid(key: str, name: str | None, problems: list[str]) -> int | None:
    if name is None:
        return None
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        problems.append(f"[flowyd] {key}: there is no group {name!r} on this machine; groupadd makes one")
        return None


def _give_to(path: Path, gid: int) -> bool:
    """Makes the socket the group's; False: we may not, as we are neither root nor in the group."""
    try:
        os.chown(path, -1, gid)
    except PermissionError:
        return False
    os.chmod(path, SOCKET_MODE)
    return True


def _admit(path: Path, users: Collection[int]) -> None:
    """Adds users to the socket's access control list: a group could let them into the control socket too."""
    entries = [
        (_ACL_OWNER, _READ_WRITE, _ACL_NOBODY),
        *((_ACL_USER, _READ_WRITE, uid) for uid in sorted(set(users))),
        (_ACL_GROUP, _READ_WRITE, _ACL_NOBODY),
        (_ACL_MASK, _READ_WRITE, _ACL_NOBODY),
        (_ACL_OTHER, 0, _ACL_NOBODY),
    ]
    listed = b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(path, _ACL_ATTRIBUTE, struct.pack("<I", _ACL_VERSION) + listed)
    except PermissionError as error:
        raise ConfigError(
            [
                f"{path}: it is another user's, so the users of pools cannot be let in; "
                "as a systemd service: flowyd install --users"
            ]
        ) from error
    except OSError as error:
        raise ConfigError(
            [
                f"runtime_dir {path.parent}: its file system keeps no access control lists "
                f"({error.strerror}); pools with a user need them, so take another directory"
            ]
        ) from error
