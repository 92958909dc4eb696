from __future__ import annotations

import os
import stat
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from formwright.datasets.airfoils.sections import naca
from formwright.datasets.cases import section_case
from formwright.datasets.errors import ConditionError, ConfigError, MissingSolverError
from formwright.datasets.solvers.result import stations
from formwright.datasets.solvers.xfoil import shim as xfoil_shim
from formwright.datasets.solvers.xfoil.dump import read_points
from formwright.datasets.solvers.xfoil.solver import XFoil, path, zero_lift_deg

needs_xfoil = pytest.mark.skipif(not XFoil().available(), reason="xfoil is not installed")
LABELS = ("cl", "cd", "cm", "xtr_top", "xtr_bottom")


def case_of(pos, alpha, reynolds=1e6, **others):
    n = len(alpha)
    columns = {"alpha_deg": alpha, "reynolds": reynolds, **others}
    conditions = {
        name: torch.as_tensor(np.broadcast_to(values, n).astype(float).copy())
        for name, values in columns.items()
    }
    return section_case(pos, conditions)


def solve(solver, *arguments, **conditions):
    return next(solver.solve([case_of(*arguments, **conditions)]))


@pytest.fixture(scope="module")
def cambered():
    return solve(XFoil(), naca("4412", closed=False).pos, [10.0, -2.0, 40.0, 2.0, 6.0])


@needs_xfoil
def test_labels_agree_with_the_printed_polar_of_a_plain_session(cambered, tmp_path):
    pos = naca("4412", closed=False).pos
    lines = "\n".join(f"{x:.9f} {y:.9f}" for x, y in pos.tolist())
    (tmp_path / "section.dat").write_text(f"section\n{lines}\n")
    commands = "PLOP\nG F\n\nLOAD section.dat\nPPAR\nN 160\n\n\nOPER\nVISC 1e6\nITER 100\n"
    commands += "PACC\npolar.txt\n\nALFA -2\nALFA 2\nALFA 6\nALFA 10\n\nQUIT\n"
    environment = {**os.environ, "LD_PRELOAD": str(xfoil_shim.shim() or "")}
    subprocess.run(
        ["xfoil"],
        input=commands.encode(),
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    printed = np.loadtxt(tmp_path / "polar.txt", skiprows=12)
    assert printed[:, 0].tolist() == [-2.0, 2.0, 6.0, 10.0]
    for row, line in zip((1, 3, 4, 0), printed, strict=True):
        found = [cambered.labels[name][row] for name in LABELS]
        assert found == pytest.approx(line[[1, 2, 4, 5, 6]].tolist(), rel=5e-3, abs=1e-3)
    assert cambered.solver == "xfoil 6.99"


@needs_xfoil
def test_unconverged_points_have_a_reason_and_nothing_else(cambered):
    assert cambered.reasons[2].startswith("not converged")
    assert cambered.converged.tolist() == [True, True, False, True, True]
    values = [*cambered.labels.values(), *cambered.fields.values()]
    assert all(np.isnan(v[2]).all() and np.isfinite(np.delete(v, 2, 0)).all() for v in values)


@needs_xfoil
def test_pressure_integrates_to_the_lift(cambered):
    below = cambered.fields["cp_bottom"][3] - cambered.fields["cp_top"][3]
    weight = np.pi / len(stations()) * np.sqrt(stations() * (1 - stations()))
    assert (below * weight).sum() == pytest.approx(cambered.labels["cl"][3], rel=0.02)


@needs_xfoil
def test_mirrored_section_mirrors_the_answer():
    pos = naca("2412").pos
    up = solve(XFoil(), pos, [0.0, 3.0])
    down = solve(XFoil(), pos.flip(0) * torch.tensor([1.0, -1.0]), [0.0, -3.0])
    assert down.labels["cl"] == pytest.approx(-up.labels["cl"], abs=2e-3)
    assert down.labels["cm"] == pytest.approx(-up.labels["cm"], abs=2e-3)
    assert down.labels["cd"] == pytest.approx(up.labels["cd"], rel=0.02)
    assert down.labels["xtr_top"] == pytest.approx(up.labels["xtr_bottom"], abs=0.02)


@needs_xfoil
def test_rows_may_mix_conditions_in_any_order():
    pos, solver = naca("0012").pos, XFoil(panels=100, fields_every=0)
    alpha, reynolds = np.array([4.0, 1.0, 3.0, 2.0]), np.array([2e5, 1e6, 1e6, 2e5])
    ncrit = np.array([5.0, 9.0, 9.0, 5.0])
    mixed = solve(solver, pos, alpha, reynolds=reynolds, ncrit=ncrit)
    one = solve(solver, pos, [2.0, 4.0], reynolds=2e5, ncrit=5.0)
    for name in LABELS:
        assert mixed.labels[name][[3, 0]].tolist() == one.labels[name].tolist()
    assert not mixed.fields and mixed.converged.all()


@needs_xfoil
def test_fields_of_every_other_point():
    result = solve(XFoil(panels=100, fields_every=2), naca("0012").pos, [2.0, 0.0, 3.0, 1.0])
    there = np.isfinite(result.fields["cp_top"]).all(1)
    assert there.tolist() == [True, True, False, False]


@needs_xfoil
def test_retries_find_more():
    pos, alpha = naca("2408").pos, np.arange(8.0, 15.0)
    plain = solve(XFoil(iterations=8, panels=120, fields_every=0), pos, alpha, reynolds=1.5e5)
    again = solve(
        XFoil(iterations=8, panels=120, fields_every=0, retries=2), pos, alpha, reynolds=1.5e5
    )
    assert again.converged.sum() >= plain.converged.sum()
    kept = plain.converged
    assert (again.labels["cl"][kept] == plain.labels["cl"][kept]).all()


def test_missing_program_says_what_to_install():
    solver = XFoil(binary="no-such-xfoil")
    assert not solver.available()
    with pytest.raises(MissingSolverError, match="apt-get install xfoil"):
        solve(solver, naca("0012").pos, [0.0])


@needs_xfoil
@pytest.mark.parametrize(
    ("alpha", "reynolds", "mach"), [(np.nan, 1e6, 0.0), (0.0, -1.0, 0.0), (0.0, 1e6, 1.2)]
)
def test_conditions_without_meaning_are_refused(alpha, reynolds, mach):
    with pytest.raises(ConditionError):
        solve(XFoil(), naca("0012").pos, [alpha], reynolds=reynolds, mach=mach)


def fake(folder: Path, answer: str) -> str:
    """Write a program that prompts as XFoil does and answers ALFA with the given statement."""
    program = folder / "fake-xfoil"
    program.write_text(
        f"#!{sys.executable} -SE\nimport sys\n"
        "for line in sys.stdin:\n"
        "    if line.startswith('ALFA'):\n"
        f"        {answer}\n"
        "    if line.startswith(('polar', 'ALFA', 'INIT')):\n"
        "        print('.OPERva   c>  ', flush=True)\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


def test_a_program_that_hangs_is_killed(tmp_path):
    binary = fake(tmp_path, "while True: pass")
    solver = XFoil(binary=binary, timeout_s=0.2)
    result = solve(solver, naca("0012").pos, [-1.0, 0.0, 1.0])
    assert all(reason.startswith("timeout") for reason in result.reasons)


def test_a_program_that_dies_is_reported(tmp_path):
    result = solve(XFoil(binary=fake(tmp_path, "sys.exit()")), naca("0012").pos, [0.0, 1.0])
    assert result.reasons == ("the process ended",) * 2


def test_patience_leaves_the_rest_of_a_side(tmp_path):
    solver = XFoil(binary=fake(tmp_path, "pass"), patience=2)
    result = solve(solver, naca("0012").pos, [0.0, 1.0, 2.0, 3.0])
    assert result.reasons[:2] == ("not converged",) * 2
    assert result.reasons[2:] == ("not converged: left after 2 points in a row",) * 2


@given(
    st.lists(st.floats(-10, 16), min_size=1, max_size=12, unique=True),
    st.floats(-5, 5),
    st.floats(0.3, 4),
)
def test_a_path_visits_every_point_in_small_steps(values, start, step):
    wanted = np.unique(values)
    up, down = path(wanted, start, step)
    assert set(wanted.tolist()) <= set(up) | set(down)
    assert up == sorted(up) and down == sorted(down, reverse=True)
    for side in (up, [up[0], *down]):
        assert np.abs(np.diff(side)).max(initial=0.0) <= step + 1e-6
    assert abs(up[0] - start) == np.abs(wanted - start).min()


def test_zero_lift_by_thin_section_theory():
    assert zero_lift_deg(naca("0012").pos.numpy()) == pytest.approx(0.0, abs=1e-6)
    assert zero_lift_deg(naca("4412").pos.numpy()) == pytest.approx(-4.15, abs=0.15)
    assert zero_lift_deg(naca("2412").pos.numpy()) == pytest.approx(-2.08, abs=0.08)


def record(data: bytes) -> bytes:
    size = struct.pack("<i", len(data))
    return size + data + size


def dump(n_points: int) -> bytes:
    data = b"".join(record(b"\0" * 8) for _ in range(5))
    for k in range(n_points):
        side = np.arange(4 * 6, dtype="<f8") / 24
        data += record(struct.pack("<7d", k, 0.1 * k, 0.01, 0.0, -0.1, 0.5, 1.0000000007))
        data += record(struct.pack("<4i", 4, 4, 3, 2)) + 2 * record(side.tobytes())
    return data


@given(st.integers(0, 3), st.floats(0, 1))
def test_a_dump_cut_anywhere_gives_its_whole_points(tmp_path_factory, n_points, share):
    data = dump(n_points)
    cut = int(share * len(data))
    file = tmp_path_factory.mktemp("dump") / "polar"
    file.write_bytes(data[:cut])
    points = read_points(file)
    whole = max(cut - len(dump(0)), 0) // (len(dump(1)) - len(dump(0)))
    assert [p.alpha_deg for p in points] == list(range(whole))
    for point in points:
        assert point.top.shape == (3, 6) and point.bottom.shape == (2, 6)
        assert point.labels["xtr_bottom"] == 1.0
        assert set(point.labels) == set(LABELS)


def test_absent_dump_has_no_points(tmp_path):
    assert read_points(tmp_path / "polar") == []


@pytest.mark.skipif(sys.platform != "linux", reason="preloading is for Linux")
def test_prebuilt_object_serves_where_nothing_compiles(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(xfoil_shim, "COMPILERS", ("no-such-cc",))
    monkeypatch.setattr(xfoil_shim.platform, "machine", lambda: "x86_64")
    assert xfoil_shim.shim.__wrapped__() == xfoil_shim.PREBUILT
    assert xfoil_shim.PREBUILT.read_bytes()[:4] == b"\x7fELF"
    monkeypatch.setattr(xfoil_shim.platform, "machine", lambda: "riscv64")
    with pytest.raises(MissingSolverError, match="riscv64.*apt-get install gcc"):
        xfoil_shim.shim.__wrapped__()


@needs_xfoil
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the prebuilt object is for x86-64")
def test_prebuilt_object_can_be_preloaded():
    environment = {**os.environ, "LD_PRELOAD": str(xfoil_shim.PREBUILT)}
    done = subprocess.run(
        ["xfoil"], input=b"PLOP\nG F\n\nQUIT\n", env=environment, capture_output=True, check=False
    )
    assert b"cannot be preloaded" not in done.stderr
    assert b"XFOIL" in done.stdout


@needs_xfoil
def test_a_trip_forces_transition_there_unless_it_comes_before():
    pos = naca("4412", closed=False).pos
    free = solve(XFoil(fields_every=0), pos, [0.0, 4.0], ncrit=9.0)
    tripped = solve(XFoil(fields_every=0, trip=0.2), pos, [0.0, 4.0], ncrit=9.0)
    for side in ("xtr_top", "xtr_bottom"):
        assert np.allclose(tripped.labels[side], np.minimum(free.labels[side], 0.2), atol=5e-3)
    assert (tripped.labels["cd"] > free.labels["cd"]).all()


@pytest.mark.parametrize("trip", [0.0, -0.1, 1.5])
def test_a_trip_lies_on_the_section(trip):
    with pytest.raises(ConfigError, match=f"trip = {trip}"):
        XFoil(trip=trip)
