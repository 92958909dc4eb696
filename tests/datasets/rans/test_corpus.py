"""The RANS corpus: fair beginnings, families kept apart, failures as rows, stopped runs go on."""

from __future__ import annotations

import dataclasses
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from formwright.cli import main
from formwright.datasets.airfoils import naca
from formwright.datasets.airfoils.contour import validate
from formwright.datasets.airfoils.sections import database
from formwright.datasets.corpus import open_corpus
from formwright.datasets.errors import ConfigError, CorpusError
from formwright.datasets.rans import corpus as rans
from formwright.datasets.rans.cases import (
    AIRFRANS_REYNOLDS,
    COARSE,
    POINTS_PER_SIDE,
    RansCorpus,
    draw,
    naca_section,
    sobol,
)
from formwright.datasets.rans.flow_field import FlowField, Wall, load_flow
from formwright.datasets.rans.rows import PARTS, largest_y_plus
from formwright.datasets.solvers.openfoam.solver import MESH, OpenFOAM

RECIPE = RansCorpus(cases=6, seed=3)


def flow(alpha_deg: float, reynolds: float) -> FlowField:
    angle = np.linspace(0.05, 2.0 * np.pi - 0.05, 40)
    normals = np.stack([np.cos(angle), np.sin(angle)], -1)
    wall = Wall(
        centres=0.5 + 0.5 * normals,
        normals=normals,
        lengths=np.full(40, 0.08),
        cp=np.cos(angle),
        cf=np.zeros((40, 2)),
        y_plus=np.full(40, 0.5),
        cells=np.arange(40),
    )
    names = ("cl", "cd", "cm", *PARTS)
    return FlowField(
        points=np.zeros((4, 2)),
        quads=np.array([[0, 1, 2, 3]]),
        velocity=np.ones((1, 2), np.float32),
        pressure=np.zeros(1, np.float32),
        nut=np.zeros(1, np.float32),
        wall=wall,
        alpha_deg=alpha_deg,
        reynolds=reynolds,
        forces=dict.fromkeys(names, 0.1 * alpha_deg),
        iterations=300,
        residuals=np.zeros((2, 5), np.float32),
        quality={"cells": 1.0},
        seconds=2.0,
    )


@pytest.fixture
def solved(monkeypatch) -> list[float]:
    """Replace the solver: cases below 0 deg fail; the incidences asked for are listed."""
    asked: list[float] = []

    def point(self: OpenFOAM, pos: torch.Tensor, alpha_deg: float, reynolds: float):
        asked.append(alpha_deg)
        if alpha_deg < 0.0:
            return f"not settled; after 3000 iterations at {alpha_deg}"
        return flow(alpha_deg, reynolds)

    monkeypatch.setattr(OpenFOAM, "point", point)
    monkeypatch.setattr(OpenFOAM, "require", lambda self: None)
    return asked


def run(recipe: RansCorpus, out):
    with ThreadPoolExecutor(1) as executor:
        return rans.generate(recipe, out, executor=executor, workers=1, progress=False)


def test_a_beginning_is_a_fair_sample():
    cases = [draw(RECIPE, i) for i in range(64)]
    counts = Counter(case.source for case in cases)
    for source, share in zip(
        ("airfrans", "train", "validation", "test"), RECIPE.shares, strict=True
    ):
        assert counts[source] == pytest.approx(64 * share, abs=2)
    alpha = np.array([case.alpha_deg for case in cases])
    reynolds = np.array([case.reynolds for case in cases])
    assert np.histogram(alpha, 8, (-5.0, 15.0))[0].tolist() == [8] * 8
    assert reynolds.min() > 0.99e6 and reynolds.max() < 9.01e6


def test_cases_depend_on_seed_and_index_alone():
    again, other = draw(RansCorpus(cases=99, seed=3), 5), draw(RansCorpus(seed=4), 5)
    here = draw(RECIPE, 5)
    assert again.section == here.section and np.array_equal(again.vector, here.vector)
    assert (again.alpha_deg, again.reynolds) == (here.alpha_deg, here.reynolds)
    assert other.alpha_deg != here.alpha_deg
    assert sobol(3, 5) != sobol(3, 6)


def test_families_stay_in_their_split():
    for i in range(40):
        case = draw(RECIPE, i)
        assert database().splits[case.family] == case.split
        validate(case.pos)
        assert case.pos.shape == (2 * POINTS_PER_SIDE - 1, 2)
        if case.source == "airfrans":
            assert AIRFRANS_REYNOLDS[0] <= case.reynolds <= AIRFRANS_REYNOLDS[1]


@pytest.mark.parametrize("which", [0.1, 0.9])
def test_design_points_are_naca_sections(which):
    rng = np.random.default_rng(0)
    for u in [(0.0, 0.0, 0.0), (0.999, 0.999, 0.999), *rng.random((10, 3))]:
        name, vector = naca_section(which, *u)
        assert name.startswith("naca") and np.isfinite(vector).all()
        if which > 0.5:
            assert naca.digits(name)


def test_sections_between_the_four_digit_ones():
    assert torch.equal(naca.four_digit(2.0, 4.0, 12.0), naca.coordinates("2412"))
    low, middle = naca.four_digit(2.0, 4.0, 12.0), naca.four_digit(2.0, 4.0, 13.0)
    assert 0.004 < float((middle - low).abs().max()) < 0.006


def test_rows_flows_and_failures(tmp_path, solved):
    corpus = run(RECIPE, tmp_path)
    rows = corpus.read().to_pylist()
    assert [row["case_id"] for row in rows] == [f"rans-3-{i:05d}" for i in range(6)]
    failures = [row for row in rows if row["alpha_deg"] < 0.0]
    assert failures and len(failures) < 6
    for row in rows:
        assert row["converged"] == (row["alpha_deg"] >= 0.0) == (not row["reason"])
        file = rans.flow_file(tmp_path, row["case_id"])
        assert file.exists() == row["converged"]
        if row["converged"]:
            assert row["cl"] == pytest.approx(0.1 * row["alpha_deg"])
            assert len(row["cp_top"]) == 32
            assert load_flow(file).alpha_deg == row["alpha_deg"]
        else:
            assert row["cl"] is None and row["cp_top"] is None


def test_a_stopped_run_goes_on(tmp_path, solved):
    run(RansCorpus(cases=2, seed=3), tmp_path)
    corpus = run(RECIPE, tmp_path)
    assert len(solved) == 6 and len(corpus.read()) == 6
    run(RECIPE, tmp_path)
    assert len(solved) == 6
    with pytest.raises(CorpusError, match="seed"):
        run(RansCorpus(cases=6, seed=4), tmp_path)


def test_a_solver_that_raises_is_a_row(tmp_path, solved, monkeypatch):
    def point(self, pos, alpha_deg, reynolds):
        if alpha_deg < 0.0:
            raise RuntimeError("out of memory")
        return flow(alpha_deg, reynolds)

    monkeypatch.setattr(OpenFOAM, "point", point)
    reasons = run(RECIPE, tmp_path).read(["reason"])["reason"].to_pylist()
    assert "RuntimeError: out of memory" in reasons


def test_info_counts_parts_and_reasons(tmp_path, solved, capsys):
    run(RECIPE, tmp_path)
    assert main(["corpus", "info", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "rans-2d" in text and "train" in text
    assert text.count("not settled") == 1 and "iterations at" not in text


def test_coarse_cases_have_every_second_line_and_training_families_alone():
    assert {draw(COARSE, i).split for i in range(60)} == {"train"}
    assert {draw(COARSE, i).source for i in range(60)} == {"train", "airfrans"}
    mesh = COARSE.solver.mesh
    assert (2 * mesh.cells_side, 2 * mesh.cells_wake) == (MESH.cells_side, MESH.cells_wake)
    assert 2 * mesh.cells_normal == MESH.cells_normal and mesh.far_field == MESH.far_field
    assert COARSE.solver.y_plus == 2 * OpenFOAM().y_plus


def test_the_command_takes_the_coarse_recipe_and_flags_go_before_it(tmp_path, solved, monkeypatch):
    made, asked = run(RECIPE, tmp_path / "made"), []

    def generate(recipe: RansCorpus, *_, **__):
        asked.append(recipe)
        return made

    monkeypatch.setattr(rans, "generate", generate)
    assert main(["corpus", "rans", "--out", str(tmp_path / "a"), "--coarse", "--flows", "7"]) == 0
    assert asked == [dataclasses.replace(COARSE, cases=7)]


def test_shares_must_add_up():
    with pytest.raises(ConfigError, match="add up"):
        RansCorpus(shares=(0.5, 0.5, 0.5, 0.0))


def test_manifest_names_units_and_settings(tmp_path, solved):
    manifest = open_corpus(run(RECIPE, tmp_path).path).manifest
    assert manifest["quantities"]["cd_friction"]["meaning"] == "the part of friction in cd"
    assert manifest["settings"]["solver"]["mesh"]["far_field"] == 100.0


def test_y_plus_is_that_of_the_sides():
    record = flow(2.0, 1e6)
    blunt = record.wall.normals.copy()
    blunt[-4:] = [1.0, 0.0]
    y_plus = np.where(np.arange(40) < 36, 0.5, 7.0)
    base = dataclasses.replace(record.wall, normals=blunt, y_plus=y_plus)
    assert largest_y_plus(dataclasses.replace(record, wall=base)) == 0.5
    sides = dataclasses.replace(record.wall, y_plus=y_plus)
    assert largest_y_plus(dataclasses.replace(record, wall=sides)) == 7.0
