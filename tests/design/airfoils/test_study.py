"""A study on disk: everything it promises to write, other folders refused, kill and resume."""

import json
import math
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from formwright.cli import main
from formwright.datasets.airfoils.section import section_from_points
from formwright.datasets.airfoils.sections import load_section, naca, write_dat
from formwright.datasets.config import from_mapping
from formwright.datasets.errors import (
    ConfigError,
    MissingSolverError,
    StudyWarning,
    UnknownNameError,
)
from formwright.design.airfoils import stages, work
from formwright.design.airfoils.study import Study
from formwright.design.airfoils.verifiers import Chosen, SolverName
from formwright.design.loop import read_study, run

HERE = Path(__file__).parent
STUDY = {
    "name": "small",
    "surrogate": "stand-in",
    "points": [
        {"cl": 0.4, "reynolds": 1e6},
        {"cl": 0.7, "reynolds": 5e5, "weight": 2.0},
        {"alpha_deg": 1.0, "reynolds": 5e5},
    ],
    "constraints": [
        {"kind": "thickness", "at": 0.3, "lower": 0.11},
        {"kind": "label", "label": "cm", "lower": -0.1},
        {"kind": "confidence", "upper": 0.1},
    ],
    "method": {"kind": "slsqp", "max_iterations": 30},
    "rounds": 1,
    "workers": 1,
}


def make(**more):
    return from_mapping(Study, STUDY | more)


@pytest.fixture
def chosen(make_solver):
    return Chosen(SolverName.PANEL, make_solver(lift=0.98, drag=1.1), "a stand-in.")


@pytest.fixture
def done(tmp_path, surrogate, chosen):
    return run(make(rounds=2), tmp_path / "run", surrogate=surrogate, chosen=chosen)


def read(folder, name):
    def no_constant(text):
        raise AssertionError(f"{name} holds {text}")

    return json.loads((folder / name).read_text(), parse_constant=no_constant)


def test_the_folder_holds_all_that_is_promised(done):
    names = {path.name for path in done.folder.iterdir()}
    assert names == {
        "study.toml",
        "result.json",
        "polars.json",
        "start.dat",
        "best.dat",
        "labels.jsonl",
        "report.html",
        "state",
    }
    assert read_study(done.folder / "study.toml") == make(rounds=2)


def test_the_result_has_claims_and_verdicts_side_by_side(done):
    result = read(done.folder, "result.json")
    assert result["format_version"] == 3 and result["solver"]["why"] == "a stand-in."
    assert result["solver"]["name"] == "thin airfoil" and result["solver"]["version"] == "1.0"
    assert [p["target_cl"] for p in result["points"]] == [0.4, 0.7, None]
    for point in result["points"]:
        best = point["best"]
        assert set(best["claimed"]["labels"]) == {"cl", "cd", "cm", "xtr_top", "xtr_bottom"}
        assert best["verified"]["converged"] and best["verified"]["reason"] == ""
        said, found = best["claimed"]["labels"]["cd"], best["verified"]["labels"]["cd"]
        assert best["verified"]["within"]["cd"] == (said["lower"] <= found <= said["upper"])
    assert result["objective"]["best"]["verified"] < result["objective"]["start"]["verified"]
    assert all(row["best"]["satisfied"] for row in result["constraints"])
    names = [row["name"] for row in result["constraints"]]
    own = ["cl_target", "thickness_0.3", "cm", "std_cd"]
    assert names == [*own, "sides_apart", "smoothness", "std_cl"]
    assert result["reasons"] == [] and result["notes"] == [] and result["best"]["round"] is not None
    assert result["constraints"][3]["best"]["verified_satisfied"] is None
    assert (
        result["constraints"][1]["best"]["verified"] == result["constraints"][1]["best"]["claimed"]
    )
    assert result["study"]["rounds"] == 2 and result["versions"]["solver"] == "thin airfoil 1.0"


def test_the_second_round_claims_what_the_solver_says(done):
    first, second = done.result["rounds"]
    assert abs(second["claimed"] / second["verified"] - 1) < 0.01
    assert abs(first["claimed"] / first["verified"] - 1) > 0.05
    assert second["offsets"]["cd"] == pytest.approx([0.0953] * 3, abs=0.02)


def test_the_best_section_is_the_one_that_was_verified(done):
    polars = read(done.folder, "polars.json")
    points = np.loadtxt(done.folder / "best.dat", skiprows=1)
    assert abs(points - polars["sections"]["best"]["pos"]).max() < 2e-7
    sweep = polars["best"][0]["verified"]
    assert len(sweep["alpha_deg"]) == len(sweep["cd"]) == len(sweep["used"]) == len(sweep["reason"])
    assert len(polars["best"][0]["cp"]["verified"]["top"]) == len(polars["stations"]) == 32
    claimed = polars["best"][0]["claimed"]
    assert len(claimed["cd"]) == len(claimed["cd_lower"]) == len(claimed["alpha_deg"])


def test_labels_are_kept_for_training(done):
    rows = [json.loads(line) for line in (done.folder / "labels.jsonl").read_text().splitlines()]
    assert {row["reynolds"] for row in rows} == {1e6, 5e5}
    assert all(len(row["labels"]["cd"]) == len(row["alpha_deg"]) for row in rows)
    assert len(rows) == 2 * 3


def test_a_finished_study_is_not_repeated(done):
    before = (done.folder / "result.json").stat().st_mtime_ns
    again = run(make(rounds=2), done.folder)
    assert again.claimed == done.claimed
    assert (done.folder / "result.json").stat().st_mtime_ns == before


def test_another_study_needs_another_folder(done, surrogate, chosen):
    with pytest.raises(
        ConfigError, match="another study: rounds = 2 there, 1 asked; seed = 0 there.*resume=False"
    ):
        run(make(seed=1), done.folder)
    replaced = run(make(seed=1), done.folder, resume=False, surrogate=surrogate, chosen=chosen)
    assert read_study(replaced.folder / "study.toml").seed == 1


def test_finished_stages_are_read_not_repeated(done, surrogate, chosen, monkeypatch):
    (done.folder / "result.json").unlink()
    monkeypatch.setattr(work, "verify", lambda *a, **k: pytest.fail("verified twice"))
    again = run(make(rounds=2), done.folder, surrogate=surrogate, chosen=chosen)
    assert again.verified == done.verified


def test_a_design_that_cannot_be_verified_is_reported_as_such(tmp_path, surrogate, make_solver):
    chosen = Chosen(SolverName.PANEL, make_solver(stall_deg=-90.0), "a stand-in.")
    found = run(make(), tmp_path, surrogate=surrogate, chosen=chosen)
    assert found.verified is None and found.judged == (0, 3)
    assert "verified 0 of 3" in found.verdict
    point = read(tmp_path, "result.json")["points"][0]["best"]["verified"]
    assert point["labels"]["cd"] is None and "stalled" in point["reason"]


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"start": "naca9x"}, UnknownNameError, "naca9x"),
        ({"surrogate": "airfoil-pola"}, UnknownNameError, "airfoil-polar"),
        (
            {"constraints": [{"kind": "label", "label": "cx", "lower": 0.0}]},
            UnknownNameError,
            "'cx'",
        ),
        ({"space": {"upper": [0.3, 0.2]}}, ConfigError, "hold nothing"),
        (
            {"constraints": [{"kind": "thickness", "at": 0.3, "lower": 0.2, "upper": 0.1}]},
            ConfigError,
            "cannot be met",
        ),
    ],
)
def test_mistakes_are_named(tmp_path, surrogate, chosen, more, error, message):
    given = None if "surrogate" in more else surrogate
    with pytest.raises(error, match=message):
        run(make(**more), tmp_path, surrogate=given, chosen=chosen)
    assert not list(tmp_path.iterdir())


def test_a_surrogate_of_adsorption_is_refused_by_name(tmp_path, capsys):
    points = "[[points]]\ncl = 0.5\nreynolds = 1e6\n"
    (tmp_path / "air.toml").write_text(f'surrogate = "adsorption-mamun"\n{points}')
    assert main(["optimize", str(tmp_path / "air.toml"), "--out", str(tmp_path / "run")]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "'adsorption-mamun' predicts e_ads_ev, not cl, cd, which a study of an airfoil" in said


def test_a_start_that_is_turned_in_its_file_is_told_of(tmp_path, surrogate, chosen):
    turn = np.deg2rad(5.0)
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    points = load_section("naca0012").pos.numpy() @ matrix
    write_dat(tmp_path / "turned.dat", section_from_points(points, "turned"))
    study = make(start=str(tmp_path / "turned.dat"))
    with pytest.warns(StudyWarning, match=r"'turned' is turned .* plus -5.00 degrees"):
        study.begin(surrogate=surrogate, chosen=chosen)


def test_a_missing_binary_is_named_before_anything_is_searched(tmp_path, surrogate, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingSolverError, match="xfoil"):
        run(make(solver="xfoil"), tmp_path, surrogate=surrogate)
    assert not list(tmp_path.iterdir())


def test_a_damaged_state_names_its_file(tmp_path, surrogate, chosen):
    run(make(), tmp_path, surrogate=surrogate, chosen=chosen)
    (tmp_path / "result.json").unlink()
    (tmp_path / "state" / "round-1" / "verdicts.json").write_text("{")
    with pytest.raises(ConfigError, match="verdicts.json"):
        run(make(), tmp_path, surrogate=surrogate, chosen=chosen)


@pytest.mark.parametrize("after", ["answers-0.npy", "verdicts.json"])
def test_killed_and_resumed(tmp_path, after):
    """Kill -9 in the first search, or after the first verification; it ends as if never killed."""
    folder, whole = tmp_path / "run", tmp_path / "whole"
    command = [sys.executable, str(HERE / "study_process.py")]
    process = subprocess.Popen([*command, str(folder), "0.05"])
    marker = folder / "state" / "round-1" / after
    try:
        _wait_for(lambda: marker.exists() and marker.stat().st_size > 2000, process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (folder / "result.json").exists()
    verified = marker.stat().st_mtime_ns if after == "verdicts.json" else None
    for one in (folder, whole):
        subprocess.run([*command, str(one), "0"], check=True)
    assert numbers(folder) == numbers(whole)
    assert verified in (None, marker.stat().st_mtime_ns if marker.exists() else None)


def numbers(folder):
    """Return all that two equal studies write, times and the seals over them left out."""

    def timeless(value):
        if isinstance(value, list):
            return [timeless(item) for item in value]
        if isinstance(value, dict):
            times = {"seconds", "started", "finished", "seal"}
            return {k: timeless(v) for k, v in value.items() if k not in times}
        return value

    labels = (folder / "labels.jsonl").read_text()
    return [timeless(read(folder, f"{name}.json")) for name in ("result", "polars")], labels


METHODS = {
    "sqp": {"kind": "sqp", "max_iterations": 5, "starts": 2},
    "slsqp": {"kind": "slsqp", "max_iterations": 5},
    "trust-constr": {"kind": "trust-constr", "max_iterations": 5},
    "adam": {"kind": "adam", "starts": 2, "steps": 5, "inner": 2, "polish": {"kind": "slsqp"}},
}


class Interrupted(RuntimeError):
    pass


@pytest.mark.parametrize("method", METHODS)
def test_stopped_anywhere_it_comes_to_the_same_numbers(
    tmp_path, surrogate, chosen, method, monkeypatch
):
    monkeypatch.setattr(Study, "report", lambda study, folder: folder)

    class Counting(type(surrogate)):
        """Raises at one of its calls."""

        calls, stop = 0, math.inf

        def forward(self, batch, *, fields=False):
            self.calls += 1
            if self.calls == self.stop:
                raise Interrupted
            return super().forward(batch, fields=fields)

    study, said = make(rounds=2, method=METHODS[method], points=STUDY["points"][:1]), Counting()
    run(study, tmp_path / "whole", surrogate=said, chosen=chosen)
    expected = numbers(tmp_path / "whole")
    for stop in np.linspace(2, said.calls, 3).astype(int).tolist():
        stopped, folder = Counting(), tmp_path / f"stopped-{stop}"
        stopped.stop = stop
        with pytest.raises(Interrupted):
            run(study, folder, surrogate=stopped, chosen=chosen)
        again = Counting()
        run(study, folder, surrogate=again, chosen=chosen)
        assert numbers(folder) == expected, f"stopped at call {stop} of {said.calls}"


def _wait_for(condition, process, seconds=240):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "the study ended before it could be killed"
        assert time.monotonic() < end, "the study never came so far"
        time.sleep(0.01)


def test_after_a_refuted_round_the_search_begins_again_closer_to_the_start(
    tmp_path, surrogate, make_solver
):
    class Refuting(make_solver):
        def solve(self, cases):
            self.stall_deg = -90.0 if 2 <= self.calls < 4 else 14.0
            return super().solve(cases)

    chosen = Chosen(SolverName.PANEL, Refuting(), "a stand-in.")
    study = make(rounds=2, constraints=[])
    found = run(study, tmp_path, surrogate=surrogate, chosen=chosen)
    first, second = (
        read(tmp_path, f"state/round-{i}/proposals.json")["searches"][0] for i in (1, 2)
    )
    assert (
        second["starts"][0] == first["starts"][0]
        and second["starts"][0] != first["attempts"][-1]["x"]
    )
    assert found.result["rounds"][0]["verified"] is None and found.result["best"]["round"] == 1
    setup = stages.prepare(study, surrogate, chosen)
    rows = zip(setup.problem.constraints, stages.tightened(setup, 0.5), strict=True)
    limits = {c.name: (np.max(c.upper), np.max(closer.upper)) for c, closer in rows if c.upper}
    for name in ("smoothness", "std_cd", "std_cl"):
        assert limits[name][1] < limits[name][0]


def test_a_study_fits_the_plain_section_once(tmp_path, surrogate, chosen, monkeypatch):
    fitted = []
    monkeypatch.setattr(stages, "naca", lambda name: fitted.append(name) or naca(name))
    run(make(rounds=2), tmp_path, surrogate=surrogate, chosen=chosen)
    assert fitted == ["0012"]
