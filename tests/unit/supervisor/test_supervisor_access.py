"""Who may do what at the control socket, and what the sockets' modes are then."""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path

import pytest

from flowyd.config.records import Config, Daemon
from flowyd.control.protocol import ControlAnswer, ControlRequest
from flowyd.errors import ConfigError
from flowyd.supervisor.access import Access, Role, access_of, open_control_socket
from flowyd.supervisor.commands import Commands
from flowyd.supervisor.control_server import _GROUPS_BYTES, _SO_PEERGROUPS, Later, Peer, _peer_of
from flowyd.supervisor.crew import Crew
from flowyd.supervisor.plan import FATAL_DEATHS
from flowyd.supervisor.pools import ENGINE, PoolState

OPS, WATCH, OTHERS = 71_001, 71_002, 71_003
SOMEBODY = 70_000
BOTH = Access(operators=OPS, viewers=WATCH, operators_name="ops", viewers_name="watch")


@pytest.mark.parametrize(
    ("access", "uid", "groups", "role"),
    [
        (Access(), 0, {OTHERS}, Role.OPERATOR),
        (Access(), os.geteuid(), {OTHERS}, Role.OPERATOR),
        (Access(), SOMEBODY, {os.getegid()}, Role.OPERATOR),
        (Access(), SOMEBODY, {OTHERS}, Role.VIEWER),
        (BOTH, 0, {OTHERS}, Role.OPERATOR),
        (BOTH, SOMEBODY, {OTHERS, OPS}, Role.OPERATOR),
        (BOTH, SOMEBODY, {OTHERS, WATCH}, Role.VIEWER),
        (BOTH, SOMEBODY, {OPS, WATCH}, Role.OPERATOR),
        (BOTH, SOMEBODY, {OTHERS}, Role.STRANGER),
        (Access(operators=OPS, operators_name="ops"), SOMEBODY, {os.getegid()}, Role.VIEWER),
        (Access(viewers=WATCH, viewers_name="watch"), SOMEBODY, {os.getegid()}, Role.OPERATOR),
        (Access(viewers=WATCH, viewers_name="watch"), SOMEBODY, {OTHERS}, Role.STRANGER),
    ],
)
def test_the_role_follows_from_user_and_groups(
    access: Access, uid: int, groups: set[int], role: Role
) -> None:
    assert access.role_of(uid, groups) is role


def test_groups_that_do_not_exist_are_all_named() -> None:
    with pytest.raises(ConfigError) as refused:
        access_of(Daemon(operators_group="no-such-ops", viewers_group="no-such-viewers"))

    assert [problem.partition(":")[0] for problem in refused.value.problems] == [
        "[flowyd] operators_group",
        "[flowyd] viewers_group",
    ]


@pytest.mark.parametrize(
    ("access", "mode"),
    [
        (Access(), 0o660),
        (Access(operators=os.getegid()), 0o660),
        (Access(operators=os.getegid(), viewers=WATCH), 0o666),
        (Access(viewers=WATCH), 0o666),
    ],
    ids=["no groups", "operators", "both", "viewers"],
)
def test_the_mode_follows_from_the_groups(tmp_path: Path, access: Access, mode: int) -> None:
    path = tmp_path / "control.sock"
    path.touch()
    path.chmod(0o660)

    open_control_socket(path, access)

    assert path.stat().st_mode & 0o777 == mode


class Lab:
    """The daemon as the commands see it, with no processes."""

    started_at = 0.0
    settled = True

    def __init__(self, folder: Path) -> None:
        import selectors

        self.access = BOTH
        config = Config(file=folder / "flowyd.toml", flowyd=Daemon(state_dir=folder, runtime_dir=folder))
        self.crew = Crew(config, pools={}, engine_sockets=[], selector=selectors.DefaultSelector())
        self.stopped = 0

    def reload(self, *, is_forced: bool) -> Later:  # noqa: ARG002 - the protocol's
        return Later()

    def stop(self) -> None:
        self.stopped += 1


def test_resume_ends_the_rest_of_the_engine_too(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    engine = lab.crew.roster.pools[ENGINE] = PoolState(config=None, processes=1)
    for _ in range(FATAL_DEATHS):
        lab.crew.roster.note_death(engine, 0, lived_s=0.1, now=1000.0)
    assert lab.crew.roster.slot(ENGINE, 0).fatal

    Commands(lab).answer(ControlRequest(command="resume"), peer(Role.OPERATOR))

    assert not lab.crew.roster.slot(ENGINE, 0).fatal


def peer(role: Role) -> Peer:
    return Peer(pid=1, uid=SOMEBODY, gid=OTHERS, role=role)


@pytest.mark.parametrize(
    ("role", "command", "refusal"),
    [
        (
            Role.STRANGER,
            "status",
            "uid 70000 may not look; root, the daemon's user and members of ops may, and members of watch",
        ),
        (
            Role.STRANGER,
            "stop",
            "uid 70000 may not look; root, the daemon's user and members of ops may, and members of watch",
        ),
        (Role.VIEWER, "stop", "uid 70000 may not stop; root, the daemon's user and members of ops may"),
        (Role.VIEWER, "quarantine", None),
        (Role.OPERATOR, "stop", None),
    ],
)
def test_the_server_refuses_what_the_role_may_not(
    tmp_path: Path, role: Role, command: str, refusal: str | None
) -> None:
    lab = Lab(tmp_path)

    answer = Commands(lab).answer(ControlRequest(command=command), peer(role))

    assert isinstance(answer, ControlAnswer)
    assert answer.error == refusal
    assert lab.stopped == (refusal is None and command == "stop")


def test_every_change_is_logged_with_uid_command_and_target(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    Commands(Lab(tmp_path)).answer(
        ControlRequest(command="drain", arguments={"pool": "images"}), peer(Role.OPERATOR)
    )

    (record,) = [record for record in caplog.records if record.__dict__.get("action") == "control"]
    assert (record.__dict__["uid"], record.__dict__["command"], record.__dict__["target"]) == (
        SOMEBODY,
        "drain",
        "images",
    )


def test_the_kernel_tells_all_groups_of_a_peer() -> None:
    asked: list[tuple[int, set[int]]] = []
    ours, theirs = socket.socketpair()
    with ours, theirs:
        _peer_of(ours, lambda uid, groups: asked.append((uid, set(groups))) or Role.VIEWER)

    assert asked == [(os.geteuid(), {os.getegid(), *os.getgroups()})]


def test_a_peer_may_have_groups_to_be_told() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        raw = ours.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _GROUPS_BYTES)

    assert len(raw) == 4 * len(os.getgroups())
