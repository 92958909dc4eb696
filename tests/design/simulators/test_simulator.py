"""A study of a simulator: what is found, what failures cost, what is on disk, what is refused."""

import json
import math
import re
import shlex
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from formwright.cli import main
from formwright.datasets.config import from_mapping
from formwright.datasets.errors import ConfigError, MissingSolverError
from formwright.design.loop import read_study, run
from formwright.design.simulators.search import _log_improvement
from formwright.design.simulators.study import SimulatorStudy
from formwright.design.simulators.verifier import Command, answered

ROOT = Path(__file__).parents[3]
AB = {"a": {"lower": -2.0, "upper": 3.0}, "b": {"lower": -2.0, "upper": 3.0, "unit": "mm"}}
STUDY = {"name": "small", "inputs": AB, "minimize": "cost", "rounds": 8, "batch": 2}
PROGRAM = """#!{python}
import json, sys, time
case = json.load(open(sys.argv[1]))["inputs"]
with open({log!r}, "a") as log:
    log.write(sys.argv[1] + "\\n")
time.sleep({wait})
if case["a"] > 2.0:
    raise SystemExit("the mesh failed")
print("iteration 1")
print(json.dumps({{"cost": (case["a"] - 1) ** 2 + case["b"] ** 2, "load": case["a"] + case["b"]}}))
"""


def make(**more):
    return from_mapping(SimulatorStudy, STUDY | more)


def bowl(case):
    return {"cost": (case["a"] - 1.0) ** 2 + case["b"] ** 2, "load": case["a"] + case["b"]}


@pytest.fixture
def program(tmp_path):
    def write(wait=0.0):
        path = tmp_path / "run.py"
        log = str(tmp_path / "asked.txt")
        path.write_text(PROGRAM.format(python=sys.executable, log=log, wait=wait))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return f"command: {path} {{case}}"

    return write


def result_of(folder):
    return json.loads((folder / "result.json").read_text())


def timeless(folder):
    value = result_of(folder)
    for row in (*value["cases"], value["best"], value["start"] or {}):
        row.pop("seconds", None)
    return {k: v for k, v in value.items() if k not in ("started", "finished", "seconds", "seal")}


def test_the_least_is_found_and_the_best_case_is_written(tmp_path):
    done = run(make(), tmp_path, function=bowl)
    assert done.verified < 1e-2 and done.reasons == ()
    best = json.loads((tmp_path / "best.json").read_text())
    assert best["inputs"]["a"] == pytest.approx(1.0, abs=0.1)
    assert done.judged == (4 + 7 * 2, 4 + 7 * 2)
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") == 2 and "b, mm" in page


def test_what_is_made_large_is_made_large(tmp_path):
    study = make(minimize="", maximize="load")
    done = run(study, tmp_path, function=bowl)
    assert done.verified > 5.9
    assert result_of(tmp_path)["objective"]["better"] == "higher"


def test_a_constraint_is_kept_at_its_bound(tmp_path):
    study = make(constraints=[{"output": "load", "upper": 0.0}], rounds=10)
    done = run(study, tmp_path, function=bowl)
    best = result_of(tmp_path)["best"]
    assert best["missed"] == [] and best["outputs"]["load"] <= 0.0
    assert done.verified == pytest.approx(0.5, abs=0.02)


def test_where_nothing_keeps_a_constraint_that_is_said(tmp_path, capsys):
    study = make(constraints=[{"output": "load", "lower": 99.0}], rounds=3)
    done = run(study, tmp_path, function=bowl)
    assert done.verdict.startswith("no case keeps all constraints; the best misses load. cost: ")
    assert done.reasons == ("no case keeps all constraints; the best misses load",)
    assert result_of(tmp_path)["best"]["outputs"]["load"] > 5.0  # it came as near as it could


def test_the_start_is_run_first_and_one_that_is_best_is_said_to_be(tmp_path):
    starts = {n: spec | {"start": v} for (n, spec), v in zip(AB.items(), (1.0, 0.0), strict=True)}
    done = run(make(inputs=starts, rounds=2), tmp_path, function=bowl)
    result = result_of(tmp_path)
    assert result["cases"][0]["inputs"] == {"a": 1.0, "b": 0.0} == result["start"]["inputs"]
    assert done.reasons == ("no better than the start",)


def test_failures_are_rows_and_are_avoided(tmp_path, program):
    done = run(make(verifier=program(), rounds=10), tmp_path / "out")
    rows = result_of(tmp_path / "out")["cases"]
    failed = [row for row in rows if row["reason"]]
    assert failed and all(row["inputs"]["a"] > 2.0 for row in failed)
    assert failed[0]["reason"] == "it ended with exit code 1: the mesh failed"
    assert len([row for row in failed if row["round"] > 1]) <= 4 < len(rows) / 4
    assert done.verified < 0.05 and "failed" in done.verdict


def test_where_every_case_fails_the_study_ends_and_says_why(tmp_path):
    def broken(case):
        raise RuntimeError("licence expired")

    done = run(make(), tmp_path, function=broken)
    assert done.verified is None and done.judged == (0, 4)
    assert done.reasons == ("no case was answered; the first failure: licence expired",)
    assert "licence expired" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"cost": math.nan}, "no finite number 'cost' among"),
        ({}, "no finite number 'cost' among {}"),
        ({"cost": "red"}, "could not convert string to float"),
        (None, "object is not iterable"),
    ],
)
def test_an_answer_without_its_numbers_is_a_failure(tmp_path, said, reason):
    (row,) = answered(lambda case: said, [{"a": 1.0}], tmp_path, ("cost",), 1)
    assert row.outputs == {} and reason in row.reason


def test_the_same_seed_is_the_same_study_and_a_kill_changes_nothing(tmp_path, program):
    study = tmp_path / "study.toml"
    study.write_text(
        f'kind = "simulator"\nname = "small"\nminimize = "cost"\nrounds = 4\nverifier = '
        f"{program(wait=0.05)!r}\n[inputs.a]\nlower = -2.0\nupper = 3.0\n[inputs.b]\nlower = -2.0\n"
        "upper = 3.0\n"
    )
    run(read_study(study), tmp_path / "whole")
    command = [sys.executable, "-m", "formwright", "optimize", str(study), "--out"]
    killed = tmp_path / "killed"
    process = subprocess.Popen(
        [*command, str(killed)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    end = time.monotonic() + 120
    while not (killed / "round-1" / "answer-2.json").exists():
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    run(read_study(study), killed)
    assert timeless(killed) == timeless(tmp_path / "whole")
    asked = [line for line in (tmp_path / "asked.txt").read_text().splitlines() if "killed" in line]
    assert len(asked) - len(set(asked)) <= 1  # the case that was running when it was killed


def test_a_program_that_hangs_is_ended_with_its_children(tmp_path):
    path = tmp_path / "hang.sh"
    path.write_text(f"#!/bin/sh\nsleep 600 &\necho $! > {tmp_path}/child\nwait\n")
    path.chmod(0o755)
    command = Command.of(f"{path} {{case}}", timeout_s=0.5)
    (row,) = answered(command, [{"a": 1.0}], tmp_path / "place", ("cost",), 1)
    assert row.reason == "it took more than 0.5 s"
    time.sleep(0.2)
    child = Path("/proc") / (tmp_path / "child").read_text().strip()
    assert not child.exists() or "zombie" in (child / "status").read_text()


def test_a_last_line_that_is_no_object_is_quoted(tmp_path):
    path = tmp_path / "talk.sh"
    path.write_text("#!/bin/sh\necho converged\n")
    path.chmod(0o755)
    command = Command.of(f"{path} {{case}}", timeout_s=5.0)
    (row,) = answered(command, [{"a": 1.0}], tmp_path / "place", ("cost",), 1)
    assert row.reason == "its last line is no JSON object: 'converged'"


def test_several_cases_run_at_once(tmp_path):
    def slow(case):
        time.sleep(0.3)
        return bowl(case)

    began = time.monotonic()
    answered(slow, [{"a": 1.0 * i, "b": 0.0} for i in range(8)], tmp_path, ("cost",), 8)
    assert time.monotonic() - began < 8 * 0.3


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"inputs": {}}, "at least one"),
        ({"minimize": ""}, "give minimize or maximize, one of them"),
        ({"maximize": "load"}, "give minimize or maximize, one of them"),
        ({"inputs": {"a": {"lower": 3.0, "upper": 1.0}}}, "lower = 3 to upper = 1"),
        ({"inputs": {"a": {"lower": 0.0, "upper": math.inf}}}, "a.upper = inf is no finite"),
        ({"inputs": {"a": {"lower": 0.0, "upper": 1.0, "start": 2.0}}}, "start = 2 lies outside"),
        ({"inputs": {"a": {"lower": 0.0, "upper": 1.0, "logarithmic": True}}}, "lower > 0"),
        ({"inputs": AB | {"a": AB["a"] | {"start": 0.0}}}, "inputs b have no start"),
        ({"constraints": [{"output": "load"}]}, "give lower or upper"),
        ({"constraints": [{"output": "load", "lower": 2.0, "upper": 1.0}]}, "is above upper"),
        ({"batch": 0}, "batch = 0 should be above 0"),
        ({"rounds": 0}, "rounds = 0 should be above 0"),
        ({"timeout_s": 0.0}, "timeout_s = 0.0 should be above 0"),
        ({"verifier": "./run.sh {case}"}, "should be 'command: PROGRAM {case}'"),
    ],
)
def test_what_cannot_be_is_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        make(**wrong)


def test_nobody_who_answers_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ConfigError, match="says nobody who answers"):
        run(make(), tmp_path / "out")
    with pytest.raises(MissingSolverError, match="there is no program './none.sh'"):
        run(make(verifier="command: ./none.sh {case}"), tmp_path / "out")
    with pytest.raises(ConfigError, match="write where the path of the case goes"):
        run(make(verifier="command: true"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_runs_it_and_says_what_speaks_against_it(tmp_path, program, capsys):
    study = tmp_path / "study.toml"
    lines = f'kind = "simulator"\nminimize = "cost"\nrounds = 2\nverifier = {program()!r}\n'
    study.write_text(
        lines + "[inputs.a]\nlower = -2.0\nupper = 3.0\n[inputs.b]\nlower = 0.0\nupper = 1.0\n"
    )
    assert main(["optimize", str(study), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    printed = capsys.readouterr().out
    assert "cost: " in printed and "best.json" in printed
    assert main(["report", str(tmp_path / "out")]) == 0
    study.write_text(
        study.read_text().replace(
            "[inputs.a]", '[[constraints]]\noutput = "load"\nlower = 99.0\n[inputs.a]'
        )
    )
    assert main(["optimize", str(study), "--out", str(tmp_path / "other"), "--quiet"]) == 1


def test_a_logarithmic_input_is_spread_evenly_in_its_logarithm(tmp_path):
    ins = {"a": {"lower": 1e-3, "upper": 1e3, "logarithmic": True}}
    run(make(inputs=ins, rounds=1, initial=16), tmp_path, function=lambda c: {"cost": c["a"]})
    values = [row["inputs"]["a"] for row in result_of(tmp_path)["cases"]]
    assert 6 <= sum(v < 1.0 for v in values) <= 10


def test_the_logarithm_of_expected_improvement_far_out():
    z = torch.tensor([-30.0, -6.5, -5.5, 0.0, 3.0], dtype=torch.float64, requires_grad=True)
    found = _log_improvement(z)
    near = torch.special.ndtr(z) * z + (-0.5 * z.square()).exp() / math.sqrt(2 * math.pi)
    assert torch.allclose(found[3:], near.log()[3:], rtol=1e-12)
    assert found[0].item() == pytest.approx(-450.0 - 2 * math.log(30.0) - 0.919, rel=1e-3)
    assert bool((found.detach().diff() > 0.0).all())
    assert bool(torch.isfinite(torch.autograd.grad(found.sum(), z)[0]).all())


def blocks(page, kind):
    return re.findall(rf"```{kind}\n(.*?)```", page, flags=re.DOTALL)


def test_the_page_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    page = (ROOT / "docs" / "own-simulator.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    program, in_python = blocks(page, "python")
    (study,), (command,) = blocks(page, "toml"), blocks(page, "console")
    Path("bend.py").write_text(program)
    Path("study.toml").write_text(study)
    assert main([*shlex.split(command)[1:], "--quiet"]) == 0
    best = result_of(Path("runs/bend"))["best"]
    assert best["outputs"]["deflection"] <= 6.0 and best["outputs"]["mass"] < 12.0
    exec(compile(in_python, "own-simulator.md", "exec"), {})
    assert "y: " in capsys.readouterr().out
