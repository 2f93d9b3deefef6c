"""What a worker takes on after its fork: limits, directory, and a user only where the daemon is root."""

from __future__ import annotations

import os
import pwd
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from flowyd.config.records import Pool, PoolKind
from flowyd.errors import ConfigError
from flowyd.supervisor.standing import Standing, check_standings, standing_of

POOL = Pool(name="images", kind=PoolKind.ACTIVITY, task_list="images")


def in_child(look: Callable[[], str]) -> str:
    """What the function answers in a forked child."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, look().encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as answers:
        answer = answers.read()
    os.waitpid(pid, 0)
    return answer


def test_limits_and_directory_are_taken_on(tmp_path: Path) -> None:
    standing = Standing(rlimits={"nofile": 64, "core": 0, "cpu": None}, directory=tmp_path, nice=3)

    def look() -> str:
        before = os.nice(0)
        standing.take_on()
        limits = [resource.getrlimit(which)[0] for which in (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE)]
        return f"{limits} {os.getcwd()} {os.nice(0) - before}"

    assert in_child(look) == f"[64, 0] {tmp_path} 3"


def test_a_limit_above_what_we_may_have_becomes_the_highest_we_may() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    def look() -> str:
        Standing(rlimits={"nofile": None}).take_on()
        return str(resource.getrlimit(resource.RLIMIT_NOFILE)[0])

    assert in_child(look) == str(hard)


def test_our_own_user_needs_no_root() -> None:
    me = pwd.getpwuid(os.geteuid()).pw_name

    assert standing_of(Pool(name="a", kind=PoolKind.ACTIVITY, task_list="a", user=me)).directory is None


def test_users_and_groups_that_do_not_exist_are_all_named() -> None:
    pools = [
        Pool(name="a", kind=PoolKind.ACTIVITY, task_list="a", user="no-such-user"),
        POOL,
        Pool(name="b", kind=PoolKind.ACTIVITY, task_list="b", group="no-such-group"),
    ]

    with pytest.raises(ConfigError) as refused:
        check_standings(pools)

    assert list(refused.value.problems) == [
        "[[pool]] \"a\" user: there is no user 'no-such-user' on this machine",
        "[[pool]] \"b\" group: there is no group 'no-such-group' on this machine",
    ]
