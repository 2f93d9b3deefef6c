"""Installing on a host: everything in its place, twice the same, and nothing edited is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowyd.cli.installation import Choice, install, uninstall
from flowyd.cli.main import main
from flowyd.config.load import load
from flowyd.errors import FlowydError

UNIT = Path("etc/systemd/system/flowyd.service")


def done(root: Path, **choice: object) -> dict[str, str]:
    return {str(one.path): one.what for one in install(Choice(root=root, **choice))}  # type: ignore[arg-type]


def test_everything_is_in_its_place(tmp_path: Path) -> None:
    placed = done(tmp_path, program="/opt/flowyd/bin/flowyd", samples=True, aws=True)

    assert set(placed.values()) == {"written"}
    assert all((tmp_path / path.lstrip("/")).is_file() for path in placed)
    assert "ExecStart=/opt/flowyd/bin/flowyd run" in (tmp_path / UNIT).read_text()
    assert (tmp_path / "etc/flowyd/activities").is_dir()
    assert len(placed) == 8


def test_the_placed_configuration_is_one_that_loads(tmp_path: Path) -> None:
    done(tmp_path)

    text = (tmp_path / "etc/flowyd.toml").read_text()
    copy = tmp_path / "copy.toml"
    copy.write_text(
        text.replace("[flowyd]\n", f'[flowyd]\nactivities = ["{tmp_path}"]\nworkflows = ["{tmp_path}"]\n')
    )

    assert [pool.name for pool in load(copy).pools] == ["decisions", "images"]


def test_doing_it_again_changes_nothing(tmp_path: Path) -> None:
    done(tmp_path)

    assert set(done(tmp_path).values()) == {"unchanged"}


def test_what_is_as_we_left_it_is_replaced(tmp_path: Path) -> None:
    done(tmp_path, program="/old/flowyd")

    assert done(tmp_path, program="/new/flowyd")["/" + str(UNIT)] == "replaced"
    assert "/new/flowyd" in (tmp_path / UNIT).read_text()


def test_an_edited_file_is_never_overwritten(tmp_path: Path) -> None:
    done(tmp_path, program="/old/flowyd")
    (tmp_path / UNIT).write_text("# mine\n")

    for _ in range(2):
        assert done(tmp_path, program="/new/flowyd")["/" + str(UNIT)] == "kept"

    assert (tmp_path / UNIT).read_text() == "# mine\n"
    assert "/new/flowyd" in (tmp_path / f"{UNIT}.new").read_text()


def test_a_file_that_was_there_before_us_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/flowyd.toml").write_text("# mine\n")

    assert done(tmp_path)["/etc/flowyd.toml"] == "kept"
    assert {str(one.path): one.what for one in uninstall(tmp_path)}["/etc/flowyd.toml"] == "kept"
    assert (tmp_path / "etc/flowyd.toml").read_text() == "# mine\n"


def test_uninstalling_leaves_nothing_of_ours_and_all_of_theirs(tmp_path: Path) -> None:
    done(tmp_path, samples=True, aws=True)
    module = tmp_path / "etc/flowyd/activities/mine.py"
    module.write_text("# mine\n")

    removed = {str(one.path): one.what for one in uninstall(tmp_path)}

    assert set(removed.values()) == {"removed"}
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [module]


def test_there_must_be_something_to_remove(tmp_path: Path) -> None:
    with pytest.raises(FlowydError, match="nothing to remove"):
        list(uninstall(tmp_path))


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["install", "--root", str(tmp_path), "--program", "/usr/bin/flowyd"]) == 0
    assert "written    /etc/flowyd.toml" in capsys.readouterr().out

    assert main(["uninstall", "--root", str(tmp_path)]) == 0
    assert "removed    /etc/flowyd.toml" in capsys.readouterr().out
