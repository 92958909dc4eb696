from __future__ import annotations

import importlib
import math
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


def test_what_is_needed_is_said_of_scripts_that_exist(load) -> None:
    everything = load("run_all")
    assert set(everything.NEEDS) <= set(everything.scripts())
    assert len(everything.listing()) == len(everything.scripts()) > 15


def test_a_benchmark_without_its_data_is_skipped_with_the_reason(
    load, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = load("run_all")
    needs = everything.Needs(path="runs/nowhere", how="make it")
    monkeypatch.setattr(everything, "NEEDS", {"absent": needs})
    assert everything.run("absent", "absent.py") == "skipped"
    assert capsys.readouterr().out == "skipped: runs/nowhere is not there: make it\n"
    no_program = everything.Needs(program="no-such-program", how="install it")
    assert no_program.missing() == "no-such-program is not installed: install it"
    assert everything.Needs(path="benchmarks").missing() == ""


def test_a_benchmark_that_fails_is_told_from_one_that_ran(load, tmp_path: Path) -> None:
    everything = load("run_all")
    for code, outcome in ((0, "ran"), (3, "failed")):
        script = tmp_path / f"{outcome}.py"
        script.write_text(f"raise SystemExit({code})\n")
        assert everything.run(outcome, str(script)) == outcome


def test_an_unknown_benchmark_is_refused(load, capsys: pytest.CaptureFixture[str]) -> None:
    assert load("run_all").main(["burger_probe"]) == 2
    assert "burgers_probe" in capsys.readouterr().out


def experiment(load, errors: dict[tuple[str, int], float], lengths: tuple[int, ...] = (10, 30)):
    """Return an experiment whose probes have the given validation errors."""
    runs = load("_probe_runs")
    made = object.__new__(runs.Experiment)
    names = list(dict.fromkeys(name for name, _ in errors))
    made.plan = SimpleNamespace(recipes=dict.fromkeys(names), lengths=lengths)
    done = {runs._key("moments", name, steps, 0, "validation"): 0 for name, steps in errors}
    made.log = SimpleNamespace(done=done)

    def frozen(name: str, seed: int, split: str, steps: int) -> dict[str, list[float]]:
        assert (seed, split) == (0, "validation")
        return {"16": [errors[name, steps]], "64": [errors[name, steps] / 4.0]}

    made.frozen = frozen
    return made


def test_validation_chooses_recipe_and_then_length(load) -> None:
    found = {("a", 10): 0.4, ("b", 10): 0.2, ("b", 30): 0.1, ("a", 30): 0.01}
    choice = experiment(load, found).chosen()
    assert (choice.recipe, choice.steps) == ("b", 30)
    assert set(choice.scores) == {"a, 10 steps", "b, 10 steps", "b, 30 steps"}
    assert choice.scores["b, 30 steps"] == pytest.approx(math.log(0.05))
    longer_is_worse = experiment(load, {**found, ("b", 30): 0.3}).chosen()
    assert longer_is_worse.steps == 10


def test_a_partial_choice_is_among_what_has_been_run(load) -> None:
    some = experiment(load, {("a", 10): 0.4, ("b", 10): 0.2})
    del some.log.done[next(key for key in some.log.done if "|b|" in key)]
    choice = some.chosen(partial=True)
    assert (choice.recipe, choice.steps) == ("a", 10)
    said = load("_probe_report").chosen_how(choice, ["a", "b"])
    assert "Not run yet: b." in said and "a, 10 steps" in said
    some.log.done.clear()
    nothing = some.chosen(partial=True)
    assert (nothing.recipe, nothing.steps) == ("a", 30)


def test_a_claim_says_below_only_where_the_interval_is_clear_of_zero(load) -> None:
    report = load("_probe_report")
    clear = {"16": [-2.0, -1.0], "64": [-1.0, -0.5], "256": [-0.1, 0.1]}
    assert (
        report.verdict(clear, "theirs") == "below theirs at 16 and 64, level with it at 256 labels"
    )
    assert report.verdict({"16": [0.1, 0.2]}, "theirs") == "above theirs at 16 labels"
    ours = {"16": [1.0, 2.0, 3.0]}
    low, high = report.against(ours, {"16": [2.0, 3.0, 4.0]})["16"]
    assert low == pytest.approx(-1.0) and high == pytest.approx(-1.0)


def test_the_figure_is_the_same_each_time(load, tmp_path: Path) -> None:
    report = load("_probe_report")
    curves = {report.OURS: {"16": [0.1, 0.2], "64": [0.05, 0.06]}, "other": {"16": [1.0, 1.1]}}
    for name in ("a.svg", "b.svg"):
        report.draw_curves(curves, tmp_path / name, {}, "error")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_every_plan_has_a_recipe_with_waiting_and_one_without(load) -> None:
    for script in ("burgers_probe", "flow2d_probe"):
        plan = load(script).PLAN
        names = {type(view).__name__ for _, views in plan.recipes.values() for view in views}
        assert {"TimeLag", "Window"} <= names
        assert plan.lengths == tuple(sorted(plan.lengths))


def test_walls_are_kept_face_by_face_and_integrate_to_their_forces(load, tmp_path: Path) -> None:
    walls = load("_walls")
    shipped = list(walls.load_walls())
    walls.save_walls(tmp_path / "walls.npz", shipped[:3])
    again = list(walls.load_walls(tmp_path / "walls.npz"))
    assert [case.name for case in again] == [case.name for case in shipped[:3]]
    for case, same in zip(again, shipped, strict=False):
        assert case.forces == same.forces and case.alpha_deg == same.alpha_deg
        for name in walls.ARRAYS:
            assert (getattr(case.wall, name) == getattr(same.wall, name)).all()
    rows = load("force_integrator").rows_of(shipped)
    assert len(rows) > 20
    assert max(row[name] for row in rows for name in ("cl", "cd", "cm")) < 1e-5
