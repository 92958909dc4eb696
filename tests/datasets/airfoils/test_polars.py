from __future__ import annotations

import dataclasses
import errno
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest
import torch

from formwright.datasets.airfoils import blends, cst
from formwright.datasets.airfoils.blends import (
    Blending,
    database_vector,
    draw_section,
    is_section,
    pool,
)
from formwright.datasets.airfoils.contour import validate
from formwright.datasets.airfoils.polar_data import read_polars
from formwright.datasets.airfoils.polars import PolarCorpus, draw, generate
from formwright.datasets.airfoils.sections import database
from formwright.datasets.config import from_mapping
from formwright.datasets.errors import (
    ConfigError,
    CorpusError,
    MissingSolverError,
    StorageError,
)
from formwright.datasets.solvers.panel.solver import Panel
from formwright.datasets.solvers.result import Result
from formwright.datasets.solvers.xfoil.solver import XFoil


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ThinPlate(Panel):
    """Answers at once, as a plate would; nothing converges above ten degrees."""

    def solve(self, cases):
        for case in cases:
            alpha = case.alpha_deg.numpy()
            stalled = alpha > 10
            labels = {
                "cl": 2 * np.pi * np.deg2rad(alpha),
                "cd": 2.656 / np.sqrt(case.reynolds.numpy()),
                "cm": np.full(len(alpha), float(case.pos.sum())),
                "xtr_top": np.ones(len(alpha)),
                "xtr_bottom": np.ones(len(alpha)),
            }
            cp = np.repeat(alpha[:, None], 32, 1)
            yield Result(
                labels={name: np.where(stalled, np.nan, v) for name, v in labels.items()},
                fields={"cp_top": np.where(stalled[:, None], np.nan, cp), "cp_bottom": -cp},
                reasons=tuple("stalled" if s else "" for s in stalled),
                solver="plate",
            )


CHEAP = ThinPlate()
SMALL = PolarCorpus(sections=4, seed=5, solver=CHEAP, sweeps=2, incidences=3)


@cache
def few(split: str) -> tuple[str, ...]:
    names = [name for name in database() if database().split(name) == split]
    return tuple(name for name in names[:: len(names) // 20] if is_section(database_vector(name)))


@pytest.fixture(scope="module", autouse=True)
def _small_pool():
    """Fit a few sections of each split instead of all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blends, "pool", few)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("polars") / "corpus"
    with ThreadPoolExecutor(1) as executor:
        generate(SMALL, folder, executor=executor, workers=1, progress=False)
    return folder


def run(config, folder):
    with ThreadPoolExecutor(1) as executor:
        return generate(config, folder, executor=executor, workers=1, progress=False)


def test_thickness_and_edge_are_drawn_anew_for_the_shares_that_are_wanted():
    recipe = Blending(
        database_share=0.0,
        noise_share=0.0,
        thick_share=1.0,
        thickness=(0.3, 0.4),
        blunt_share=1.0,
        edge=(0.02, 0.08),
    )
    for index in range(20):
        vector = draw_section(recipe, "train", index, np.random.default_rng(index)).vector
        contour = cst.coordinates(torch.from_numpy(vector), 101).numpy()
        thickness = contour[100::-1, 1] - contour[100:, 1]
        assert 0.28 < thickness.max() < 0.42
        assert 0.02 <= thickness[-1] <= 0.08


def test_a_recipe_without_such_shares_draws_what_it_drew_before():
    plain = Blending(database_share=0.0)
    named = Blending(database_share=0.0, thickness=(0.1, 0.2), edge=(0.0, 0.01))
    drawn = [draw_section(r, "train", 0, np.random.default_rng(3)) for r in (plain, named)]
    assert (drawn[0].vector == drawn[1].vector).all()
    assert "thickness" not in drawn[0].name


def test_a_corpus_reads_back_grouped_by_section(folder):
    polars = read_polars(folder, converged_only=False, fields=True)
    assert polars.case_ids == tuple(f"train-5-{i:06d}" for i in range(4))
    assert polars.cst.shape == (4, 18) and polars.contours(40).shape == (4, 79, 2)
    assert polars.section.tolist() == sorted([0, 1, 2, 3] * 6)
    for i in range(4):
        drawn, case = draw(SMALL, i)
        here = polars.section == i
        assert polars.names[i] == drawn.name and polars.splits[i] == "train"
        assert (polars.cst[i] == drawn.vector).all()
        for name, values in polars.conditions.items():
            assert (values[here] == case[name].numpy()).all()
    assert 0 < polars.converged.sum() < 24
    assert np.isfinite(polars.labels["cl"][polars.converged]).all()
    assert np.isnan(polars.labels["cl"][~polars.converged]).all()
    assert polars.fields["cp_top"].shape == (24, 32)


def test_labels_in_the_corpus_are_the_solvers(folder):
    polars = read_polars(folder, converged_only=False)
    drawn, case = draw(SMALL, 2)
    result = next(CHEAP.solve([case]))
    np.testing.assert_array_equal(polars.labels["cd"][polars.section == 2], result.labels["cd"])


def test_conditions_lie_in_their_ranges():
    config = PolarCorpus(sweeps=40, incidences=13)
    case = draw(config, 0)[1]
    assert case.alpha_deg.min() >= -10 and case.alpha_deg.max() <= 16
    assert case.reynolds.min() >= 5e4 and case.reynolds.max() <= 1e7
    assert case.ncrit.min() >= 3 and case.ncrit.max() <= 13
    steps = case.alpha_deg.reshape(40, 13).diff(dim=1)
    assert torch.allclose(steps, torch.full_like(steps, 2.0), atol=2e-4)
    assert 8 <= (case.ncrit.reshape(40, 13)[:, 0] == 9.0).sum() <= 26


@pytest.mark.parametrize("split", blends.SPLITS)
def test_no_parent_lies_in_another_split(split):
    config = PolarCorpus(split=split, blending=Blending(database_share=0.1))
    seen = [draw(config, i)[0] for i in range(40)]
    for drawn in seen:
        assert {database().split(name) for name in drawn.parents} == {split}
        assert sum(drawn.blend) == pytest.approx(1.0)
    assert {len(drawn.parents) for drawn in seen} == {1, 2, 3}
    assert 5 < sum(drawn.noise for drawn in seen) < 35


def test_drawn_sections_are_sections():
    for i in range(30):
        drawn, case = draw(PolarCorpus(), i)
        validate(case.pos, drawn.name)
        assert is_section(drawn.vector)


def test_a_section_depends_on_seed_split_and_index_alone():
    first = draw(PolarCorpus(), 7)
    again = draw(PolarCorpus(sections=3, solver=CHEAP), 7)
    assert first[0].name == again[0].name and (first[0].vector == again[0].vector).all()
    assert torch.equal(first[1].reynolds, again[1].reynolds)
    others = [draw(PolarCorpus(seed=2), 7), draw(PolarCorpus(), 8)]
    assert all(other[0].name != first[0].name for other in others)


def test_the_whole_database_comes_first():
    names, rng = few("test"), np.random.default_rng(0)
    recipe = Blending(whole_database=True)
    drawn = [draw_section(recipe, "test", i, rng).name for i in range(len(names))]
    assert drawn == list(names)


def test_nearly_every_section_of_the_database_can_be_drawn():
    names = pool("validation")
    assert len(names) > 0.9 * sum(database().split(name) == "validation" for name in database())
    assert set(few("validation")) <= set(names)


def test_a_crossing_or_paper_thin_vector_is_no_section():
    vector = database_vector("e387")
    assert is_section(vector)
    thin, crossed = vector.copy(), vector.copy()
    thin[8:16] = thin[:8] + 0.01
    crossed[14] -= 0.5
    assert not is_section(thin) and not is_section(crossed)


def test_an_interrupted_run_goes_on_where_it_was(folder, tmp_path, monkeypatch):
    started = run(dataclasses.replace(SMALL, sections=2), tmp_path / "c")
    times = {p: p.stat().st_mtime_ns for p in started.path.rglob("*.parquet")}
    corpus = run(SMALL, tmp_path / "c")
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())
    whole = read_polars(folder, converged_only=False, fields=True)
    resumed = read_polars(corpus.path, converged_only=False, fields=True)
    assert resumed.case_ids == whole.case_ids
    for name in whole.labels:
        np.testing.assert_array_equal(resumed.labels[name], whole.labels[name])
    np.testing.assert_array_equal(resumed.fields["cp_top"], whole.fields["cp_top"])


def test_other_settings_do_not_mix(folder):
    with pytest.raises(CorpusError, match="settings.sweeps = 2 there, 3 asked"):
        run(dataclasses.replace(SMALL, sweeps=3), folder)


def test_a_failed_section_is_rows_with_the_reason(tmp_path, monkeypatch):
    solve = ThinPlate.solve

    def sometimes(self, cases):
        (case,) = cases
        if torch.equal(case.alpha_deg, draw(SMALL, 1)[1].alpha_deg):
            raise RuntimeError("out of luck")
        return solve(self, [case])

    monkeypatch.setattr(ThinPlate, "solve", sometimes)
    corpus = run(SMALL, tmp_path / "c")
    rows = corpus.read(["case_id", "reason"]).to_pylist()
    assert [row["reason"] for row in rows if row["case_id"] == "train-5-000001"] == [
        "RuntimeError: out of luck"
    ] * 6
    assert sum("luck" in row["reason"] for row in rows) == 6 and len(rows) == 24


def test_an_unlabeled_corpus_has_fields_and_no_labels(tmp_path):
    corpus = run(dataclasses.replace(SMALL, sections=1, labelled=False), tmp_path / "c")
    polars = read_polars(corpus.path, labels=(), fields=True, converged_only=False)
    assert not polars.labels and np.isfinite(polars.fields["cp_top"]).any()
    assert "cl" not in corpus.manifest["quantities"]
    with pytest.raises(CorpusError, match="no column 'cl'.*Its columns: case_id"):
        read_polars(corpus.path)


def test_points_and_sections_can_be_left_out(folder):
    polars = read_polars(folder, converged_only=False, fields=True)
    part = polars.where(polars.section >= 2)
    assert part.case_ids == polars.case_ids[2:] and part.section.min() == 0
    assert (part.cst == polars.cst[2:]).all()
    assert (part.conditions["alpha_deg"] == polars.conditions["alpha_deg"][12:]).all()


def test_several_corpora_read_as_one(folder, tmp_path):
    other = run(dataclasses.replace(SMALL, sections=1, split="test"), tmp_path / "c")
    both = read_polars([folder, other.path], converged_only=False)
    assert len(both.names) == 5
    only = read_polars([folder, other.path], split="test", converged_only=False)
    assert only.splits == ("test",) and len(only.section) == 6
    with pytest.raises(CorpusError, match="no point of split 'validation'"):
        read_polars(folder, split="validation")


def test_a_missing_solver_is_an_error_and_no_corpus(tmp_path):
    with pytest.raises(MissingSolverError, match="apt-get install xfoil"):
        run(PolarCorpus(solver=XFoil(binary="no-such-xfoil")), tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_a_full_disk_stops_the_run_with_a_named_error(tmp_path, monkeypatch):
    replace, calls = os.replace, []

    def full(source, target):
        calls.append(target)
        if len(calls) > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(StorageError, match="No space left on device"):
            run(SMALL, tmp_path / "c")
    assert len(read_polars(tmp_path / "c", converged_only=False).names) == 1
    assert len(read_polars(run(SMALL, tmp_path / "c").path, converged_only=False).names) == 4


def test_recipe_from_a_table():
    table = {"split": "test", "solver": {"iterations": 80}, "blending": {"noise": 0.01}}
    config = from_mapping(PolarCorpus, table)
    assert config.solver == XFoil(iterations=80) and config.blending.noise == 0.01
    assert from_mapping(PolarCorpus, {"solver": {"stations": 48}}).solver == Panel(stations=48)
    with pytest.raises(ConfigError, match="'tset' is none of train, validation, test"):
        from_mapping(PolarCorpus, {"split": "tset"})
