"""What is served after a change of the directories: a table of changes, without a process."""

from __future__ import annotations

from flowyd.worker.rollout import Refusal, Stock, candidate, surroundings, take_back, touched
from flowyd.worker.units import Scanned, Unit


def unit(name: str, version: str = "1", root: str = "/m") -> Unit:
    path = f"{root}/{name}.py"
    return Unit(path=path, root=root, files=((path, version),))


def units(*those: Unit) -> dict[str, Unit]:
    return {one.path: one for one in those}


def found(*those: Unit, refused: dict[str, str] | None = None) -> Scanned:
    return Scanned(units=units(*those), contents={}, refused=refused or {})


def test_all_that_is_found_is_tried() -> None:
    before = Stock(units=units(unit("a"), unit("gone")))

    tried = candidate(before, found(unit("a", "2"), unit("new")))

    assert tried.units == units(unit("a", "2"), unit("new"))


def test_what_may_not_be_taken_up_is_served_as_before() -> None:
    before = Stock(units=units(unit("a"), unit("b", root="/n")))

    tried = candidate(before, found(refused={"/m/a.py": "writable", "/n": "writable"}))

    assert tried.units == before.units
    assert {path: refusal.why for path, refusal in tried.refusals.items()} == {
        "/m/a.py": "writable",
        "/n": "writable",
    }


def test_a_broken_change_is_taken_back_and_the_rest_goes_on() -> None:
    before = Stock(units=units(unit("a"), unit("b")))
    scanned = found(unit("a", "2"), unit("b", "2"))

    after = take_back(candidate(before, scanned), before.units, {"/m/a.py": "no"}, scanned.units)

    assert after is not None
    assert after.units == units(unit("a", "1"), unit("b", "2"))
    assert after.refusals["/m/a.py"].why == "no"


def test_a_broken_new_module_is_not_served() -> None:
    scanned = found(unit("new"))

    after = take_back(candidate(Stock(), scanned), {}, {"/m/new.py": "no"}, scanned.units)

    assert after is not None
    assert after.units == {}


def test_a_changed_import_is_blamed_for_what_did_not_change() -> None:
    before = Stock(units=units(unit("a"), unit("b"), unit("_shared")))
    scanned = found(unit("a"), unit("b", "2"), unit("_shared", "2"))

    after = take_back(candidate(before, scanned), before.units, {"/m/a.py": "no"}, scanned.units)

    assert after is not None
    assert after.units == units(unit("a"), unit("b", "2"), unit("_shared", "1"))
    assert after.refusals["/m/_shared.py"].why == "/m/a.py breaks with it: no"


def test_what_breaks_where_nothing_changed_stays() -> None:
    before = Stock(units=units(unit("a"), unit("b", root="/n")))
    scanned = found(unit("a"), unit("b", "2", root="/n"))

    assert take_back(candidate(before, scanned), before.units, {"/m/a.py": "no"}, scanned.units) is None


def test_a_refusal_stands_while_its_directory_is_the_same() -> None:
    scanned = found(unit("a", "2"))
    refusal = Refusal(why="no", surroundings=surroundings(scanned.units)["/m"])
    before = Stock(units=units(unit("a")), refusals={"/m/a.py": refusal})

    assert candidate(before, scanned) == before


def test_a_refusal_is_tried_again_when_something_beside_it_changed() -> None:
    refusal = Refusal(why="no", surroundings=surroundings(units(unit("a", "2")))["/m"])
    before = Stock(units=units(unit("a")), refusals={"/m/a.py": refusal})

    tried = candidate(before, found(unit("a", "2"), unit("_new")))

    assert tried.units == units(unit("a", "2"), unit("_new"))
    assert tried.refusals == {}


def test_a_change_of_an_import_touches_all_of_its_directory() -> None:
    before = units(unit("a"), unit("_shared"), unit("b", root="/n"))
    after = units(unit("a"), unit("_shared", "2"), unit("b", root="/n"))

    assert touched(before, after) == {"/m/a.py", "/m/_shared.py"}
