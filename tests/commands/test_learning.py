from __future__ import annotations

import csv
import json
import tomllib
from pathlib import Path

import ase.build
import numpy as np
import pytest

from formwright.cli import main
from formwright.datasets.airfoils.polars import PolarCorpus, case_id, draw, manifest, rows_of
from formwright.datasets.atoms import mamun
from formwright.datasets.atoms.adsorbates import adsorbate
from formwright.datasets.atoms.bulks import bulk
from formwright.datasets.atoms.files.structures import write_structures
from formwright.datasets.atoms.slabs.cut import cut
from formwright.datasets.atoms.slabs.placement import place
from formwright.datasets.atoms.slabs.sites import find_sites
from formwright.datasets.atoms.structures import structure
from formwright.datasets.config import from_mapping
from formwright.datasets.corpus import start_corpus
from formwright.datasets.solvers.result import Result
from formwright.surrogate import zoo
from formwright.surrogate.atoms.checks import trained_adsorbates

RECIPE = """
sweeps = 1
incidences = 5
alpha_deg = [-2.0, 6.0]
reynolds = [1e6, 3e6]
"""
SECTIONS = {"train": 3, "validation": 2}
TUNING = """
batch_sections = 2
[train]
learning_rate = 1e-3
"""


def write_corpus(recipe: PolarCorpus, folder: Path) -> None:
    corpus = start_corpus(folder, manifest(recipe))
    for i in range(recipe.sections):
        drawn, case = draw(recipe, i)
        alpha = case["alpha_deg"].numpy()
        labels = {"cl": 0.1 * alpha, "cd": 0.006 + 1e-4 * alpha**2, "cm": 0.001 * alpha}
        labels |= {"xtr_top": 0.5 - 0.02 * alpha, "xtr_bottom": 0.5 + 0.02 * alpha}
        reasons = ("",) * (len(alpha) - 1) + ("did not converge",)
        for values in labels.values():
            values[-1] = np.nan
        result = Result(labels=labels, reasons=reasons, solver="formulas")
        corpus.write(case_id(recipe, i), rows_of(recipe, i, drawn, case, result))
    corpus.compact()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("learning")
    (folder / "tuning.toml").write_text(TUNING)
    for split, sections in SECTIONS.items():
        values = {**tomllib.loads(RECIPE), "split": split, "sections": sections}
        write_corpus(from_mapping(PolarCorpus, values), folder / split)
    arguments = [str(folder / "train"), str(folder / "validation")]
    arguments += ["--out", str(folder / "mine"), "--steps", "2", "--seed", "3"]
    arguments += ["--config", str(folder / "tuning.toml"), "--quiet"]
    assert main(["fit", "polar", *arguments]) == 0
    return folder


def test_corpus_info_counts_points(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "info", str(home / "train")]) == 0
    shown = capsys.readouterr().out
    assert "15, 12 converged" in shown and "3: did not converge" in shown


def test_the_same_recipe_goes_on_and_another_is_refused(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "recipe.toml").write_text(RECIPE)
    arguments = ["--out", str(home / "train"), "--sections", "3", "--quiet"]
    arguments += ["--config", str(home / "recipe.toml")]
    assert main(["corpus", "polars", *arguments]) == 0
    assert main(["corpus", "polars", *arguments, "--seed", "2"]) == 2
    assert "seed" in capsys.readouterr().err


def test_a_fine_tuned_surrogate_is_evaluated(home: Path) -> None:
    arguments = [str(home / "mine"), str(home / "validation")]
    arguments += ["--split", "validation", "--out", str(home / "scores.json")]
    assert main(["evaluate", *arguments]) == 0
    scores = json.loads((home / "scores.json").read_text())
    assert set(scores["error"]) == {"cl", "ln_cd", "cm", "xtr_top", "xtr_bottom"}
    assert all(error > 0 for error in scores["error"].values())
    assert min(scores["coverage"].values()) >= scores["level"]


@pytest.mark.parametrize("name", ["adsorption-mamun", "rans-2d"])
def test_a_surrogate_of_something_else_is_refused(
    name: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = str(home / "validation")
    assert main(["fit", "polar", corpus, "--start", name, "--out", str(tmp_path / "x")]) == 2
    kind = {"adsorption-mamun": "adsorption", "rans-2d": "rans"}[name]
    message = " ".join(capsys.readouterr().err.split())
    assert f"holds '{kind}', not a model of kind 'polar'" in message
    assert main(["evaluate", name, corpus]) == 2
    assert capsys.readouterr().err.startswith("error:")


def test_a_fine_tuned_surrogate_predicts(home: Path) -> None:
    (home / "cases.csv").write_text("section,alpha_deg,reynolds\n2412,4,1e6\n2412,30,1e6\n")
    paths = ["--cases", str(home / "cases.csv"), "--out", str(home / "out.csv")]
    assert main(["predict", str(home / "mine"), *paths, "--std"]) == 0
    with open(home / "out.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 2 and float(rows[0]["cd"]) > 0 and float(rows[1]["cl_std"]) > 0


def test_out_of_range_is_said_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "far.csv").write_text("section,alpha_deg,reynolds,ncrit\n2412,4,1e3,9\n0012,4,2e3,9\n")
    paths = ["--cases", str(home / "far.csv"), "--out", str(home / "far-out.csv")]
    assert main(["predict", str(home / "mine"), *paths]) == 0
    said = capsys.readouterr().err
    assert said.count("reynolds") == 1 and "training range" in said


def test_a_folder_of_another_training_is_refused(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def finetune(corpus: str, *more: str) -> list[str]:
        arguments = [str(home / corpus), str(home / "validation")]
        arguments += ["--out", str(home / "mine"), "--steps", "2", "--seed", "3"]
        return ["fit", "polar", *arguments, "--config", str(home / "tuning.toml"), "--quiet", *more]

    values = {**tomllib.loads(RECIPE), "split": "train", "sections": 3, "seed": 77}
    write_corpus(from_mapping(PolarCorpus, values), home / "other")
    surrogate = home / "mine" / "surrogate.safetensors"
    before = surrogate.read_bytes()
    refusals = {
        "data = 3 cases, content": finetune("other"),
        "start = weights": finetune("train", "--pretrained", "airfoil-encoder"),
    }
    for why, asked in refusals.items():
        assert main(asked) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert why in said and "choose another folder (--out), or delete this one" in said
        assert surrogate.read_bytes() == before
    assert main(finetune("train")) == 0
    (home / "mine" / "begun.json").unlink()
    assert main(finetune("train")) == 2
    assert "an earlier version wrote it" in " ".join(capsys.readouterr().err.split())


@pytest.fixture(scope="module")
def structures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files of the same structures, whose energies differ by 1 meV."""
    folder = tmp_path_factory.mktemp("structures")
    metals = ("Cu", "Ag", "Au", "Pd", "Pt")
    rows = [mamun.Row(mamun.Alloy("A1", metal, metal), "H", "top|A") for metal in metals]
    made, energies = mamun.build(rows), np.linspace(-0.5, 0.5, len(rows))
    write_structures(folder / "a.extxyz", made, e_ads_ev=energies.tolist(), group=list(metals))
    energies[:] += 1e-3
    write_structures(folder / "b.extxyz", made, e_ads_ev=energies.tolist(), group=list(metals))
    (folder / "moved").mkdir()
    (folder / "moved" / "c.extxyz").write_bytes((folder / "a.extxyz").read_bytes())
    (folder / "tuning.toml").write_text("batch_cases = 2\n[train]\nthreads = 1\n")
    return folder


def test_a_folder_of_other_structures_is_refused(
    structures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def finetune(file: str, *more: str) -> list[str]:
        given = [str(structures / file), "--out", str(tmp_path / "mine")]
        loop = ["--steps", "2", "--config", str(structures / "tuning.toml"), "--quiet"]
        return ["fit", "adsorption", *given, *loop, *more]

    assert main(finetune("a.extxyz")) == 0
    surrogate = tmp_path / "mine" / "surrogate.safetensors"
    before = surrogate.read_bytes()
    refusals = {
        "data = 3 cases, content": finetune("b.extxyz"),
        "Files that differ: 'a.extxyz' (there only), 'b.extxyz' (asked only).": finetune(
            "b.extxyz"
        ),
        "start = weights": finetune("a.extxyz", "--pretrained", "atoms"),
        "config.train.seed = 0 there, 1 asked": finetune("a.extxyz", "--seed", "1"),
    }
    for why, asked in refusals.items():
        assert main(asked) == 2
        assert why in " ".join(capsys.readouterr().err.split())
        assert surrogate.read_bytes() == before
    assert main(finetune("a.extxyz")) == 0 and main(finetune("moved/c.extxyz")) == 0


def test_training_can_start_from_a_surrogate(home: Path) -> None:
    corpora = [str(home / "train"), str(home / "validation")]
    arguments = [*corpora, "--out", str(home / "more"), "--start", str(home / "mine")]
    arguments += ["--steps", "1", "--config", str(home / "tuning.toml"), "--quiet"]
    assert main(["fit", "polar", *arguments]) == 0
    assert (home / "more" / "surrogate.safetensors").exists()


def test_two_beginnings_are_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(home / "train"), "--out", str(home / "none")]
    arguments += ["--start", str(home / "mine"), "--pretrained", str(home)]
    assert main(["fit", "polar", *arguments]) == 2
    assert "not both" in capsys.readouterr().err


def test_unlabeled_flows_pretrain_an_encoder(home: Path) -> None:
    arguments = ["--out", str(home / "flows"), "--sections", "8", "--seed", "1"]
    assert main(["corpus", "flows", *arguments]) == 0
    (home / "pretrain.toml").write_text("batch_cases = 4\n")
    arguments = [str(home / "flows"), "--out", str(home / "pre"), "--steps", "2"]
    arguments += ["--config", str(home / "pretrain.toml"), "--quiet"]
    assert main(["pretrain", "polar", *arguments]) == 0
    corpora = [str(home / "train"), str(home / "validation")]
    arguments = [*corpora, "--out", str(home / "tuned"), "--pretrained", str(home / "pre")]
    arguments += ["--steps", "1", "--config", str(home / "tuning.toml"), "--quiet"]
    assert main(["fit", "polar", *arguments]) == 0


@pytest.mark.parametrize("name", ["visreg", "simsiam", "masked", "denoise", "flow-predict"])
def test_every_sort_of_objective_is_reached_by_name(name: str, home: Path, tmp_path: Path) -> None:
    if not (home / "few").exists():
        assert main(["corpus", "flows", "--out", str(home / "few"), "--sections", "8"]) == 0
    (tmp_path / "few.toml").write_text(
        'batch_cases = 4\nviews = [{kind = "incidence", count = 2}]\n'
    )
    arguments = [str(home / "few"), "--out", str(tmp_path / "pre"), "--steps", "1"]
    arguments += ["--config", str(tmp_path / "few.toml"), "--quiet", "--objective", name]
    assert main(["pretrain", "polar", *arguments]) == 0
    saved = json.loads((tmp_path / "pre" / "pretrain.json").read_text())["config"]
    assert saved["views"] == [{"view": "Incidence", "kind": "incidence", "count": 2}]
    assert name in json.dumps(saved["pretext"])


def test_the_help_lists_every_objective_and_view(capsys: pytest.CaptureFixture[str]) -> None:
    from formwright.surrogate.airfoils.named import PRETEXTS, section_views
    from formwright.surrogate.atoms.task import structure_views
    from formwright.surrogate.objectives.objective import OBJECTIVES
    from formwright.surrogate.pde.named import Solved, run_views
    from formwright.surrogate.rans.fields.pretraining import field_views

    assert main(["pretrain", "--help"]) == 0
    shown = capsys.readouterr().out
    runs = run_views(Solved(equation="flow2d", frames=6, dimensions=2, waves=4))
    views = {*runs, *section_views(), *structure_views(), *field_views()}
    for name in {*OBJECTIVES, *PRETEXTS, *views} - {"flow-match"}:
        assert name in shown


def test_views_are_chosen_by_flag_or_by_file(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not (home / "few").exists():
        assert main(["corpus", "flows", "--out", str(home / "few"), "--sections", "8"]) == 0
    (tmp_path / "named.toml").write_text('batch_cases = 4\nviews = ["incidence", "repanel"]\n')
    (tmp_path / "few.toml").write_text("batch_cases = 4\n")
    given = ["pretrain", "polar", str(home / "few"), "--steps", "1", "--quiet"]
    flag = ["--views", "incidence,repanel", "--config", str(tmp_path / "few.toml")]
    assert main([*given, "--out", str(tmp_path / "a"), *flag]) == 0
    file = ["--config", str(tmp_path / "named.toml")]
    assert main([*given, "--out", str(tmp_path / "b"), *file]) == 0
    saved = [json.loads((tmp_path / x / "pretrain.json").read_text())["config"] for x in "ab"]
    assert saved[0]["views"] == saved[1]["views"]
    assert [view["kind"] for view in saved[0]["views"]] == ["incidence", "repanel"]
    refusals = {
        ("--views", "incidance"): "Did you mean 'incidence'? Known: repanel, partial-contour",
        ("--views", "manufacturing-noise"): "ManufacturingNoise is forbidden for 'xtr_top'",
        ("--views", "repanel", *file): "not both",
        ("--views", ","): "no view is named",
    }
    for flags, why in refusals.items():
        assert main([*given, "--out", str(tmp_path / "c"), *flags]) == 2
        assert why in " ".join(capsys.readouterr().err.split())


def test_objectives_that_do_not_exist_and_double_questions_are_refused(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pretext.toml").write_text('[pretext]\nkind = "view-match"\n')
    if not (home / "few").exists():
        assert main(["corpus", "flows", "--out", str(home / "few"), "--sections", "8"]) == 0
    given = ["pretrain", "polar", str(home / "few"), "--out", str(tmp_path / "x")]
    assert main([*given, "--objective", "visrag"]) == 2
    assert "Did you mean 'visreg'" in capsys.readouterr().err
    config = ["--config", str(tmp_path / "pretext.toml")]
    assert main([*given, "--objective", "visreg", *config]) == 2
    assert "not both" in capsys.readouterr().err
    assert main(["pretrain", "sections", str(home), "--out", str(tmp_path / "x")]) == 2
    assert main(["pretrain", "runs", str(home), "--out", str(tmp_path / "x")]) == 2
    assert "--label viscosity" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["pretrain", "fit"])
def test_an_unknown_key_is_refused_with_a_suggestion(
    command: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "typo.toml").write_text("[train]\nlerning_rate = 1e-3\n")
    corpus = {"pretrain": "few", "fit": "train"}[command]
    if not (home / "few").exists():
        assert main(["corpus", "flows", "--out", str(home / "few"), "--sections", "8"]) == 0
    arguments = [str(home / corpus), "--out", str(home / "x")]
    assert main([command, "polar", *arguments, "--config", str(home / "typo.toml")]) == 2
    assert "learning_rate" in capsys.readouterr().err


def test_adsorbates_of_ones_own_are_fitted_and_predicted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = []
    for metal in ("Cu", "Ag", "Au", "Pd", "Pt"):
        slab = cut(bulk(metal, "A1"), (1, 1, 1))[0]
        made += [place(slab, find_sites(slab)[0], adsorbate(name)) for name in ("CO", "COOH")]
    path, energies = tmp_path / "own.extxyz", np.linspace(-0.5, 0.5, len(made))
    write_structures(
        path, made, e_ads_ev=energies.tolist(), group=[one.elements[0] for one in made]
    )
    loop = ["--steps", "2", "--quiet", "--out", str(tmp_path / "own")]
    assert main(["fit", "adsorption", str(path), *loop]) == 0
    out = ["--structures", str(path), "--out", str(tmp_path / "own.csv")]
    assert main(["predict", str(tmp_path / "own"), *out]) == 0
    surrogate = zoo.load(tmp_path / "own")
    assert trained_adsorbates(surrogate) == ("CO", "COOH")
    assert surrogate.config.levels == ("own data",)
    write_structures(path, [place(slab, find_sites(slab)[0], adsorbate("H"))])
    assert main(["predict", str(tmp_path / "own"), *out[:2], "--out", str(tmp_path / "h.csv")]) == 1
    assert "are H, and this surrogate was trained on CO, COOH only" in (
        " ".join(capsys.readouterr().err.split())
    )


@pytest.mark.parametrize("pbc", [True, False])
def test_crystals_and_clusters_are_refused_before_anything_is_trained(
    pbc: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = [ase.build.bulk(name, "rocksalt", a=5.0) for name in ("LiF", "NaCl", "KBr", "MgO")]
    made = [structure(a.numbers, a.positions, a.cell.array if pbc else None) for a in cells]
    write_structures(tmp_path / "own.extxyz", made, band_gap=[1.0, 2.0, 3.0, 4.0])
    asked = ["fit", "adsorption", str(tmp_path / "own.extxyz"), "--label", "band_gap", "--quiet"]
    assert main([*asked, "--out", str(tmp_path / "own")]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "frame 0 of" in said and "is no slab with an adsorbate" in said
    assert not (tmp_path / "own").exists()
