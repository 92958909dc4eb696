"""Surrogates of one's own RANS on the command line: forces, fields, what is refused."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
import torch

from formwright.cli import main
from formwright.datasets.airfoils.sections import load_section
from formwright.datasets.corpus import open_corpus, start_corpus
from formwright.datasets.rans.cases import RansCorpus
from formwright.datasets.rans.corpus import flow_file, manifest
from formwright.datasets.rans.data import RansData, read_rans
from formwright.datasets.rans.flow_field import load_flow, save_flow
from formwright.datasets.rans.flow_files import read_flow_vtu
from formwright.datasets.rans.mesh.cmesh import CMesh
from formwright.surrogate import zoo
from formwright.surrogate.pretraining.pretrain import NETWORK
from formwright.surrogate.rans.fields.network import FieldConfig, Network
from formwright.surrogate.rans.fields.predict import predict_fields
from formwright.surrogate.rans.fields.surrogate import FieldSurrogate
from formwright.surrogate.rans.wall.surrogate import RansConfig, RansSurrogate
from formwright.surrogate.training.run import Run

SHIPPED = Path(__file__).parents[2] / "benchmarks" / "data" / "rans-2d"
SMALL = CMesh(
    cells_side=32, cells_wake=8, cells_normal=32, far_field=20.0, even_share=0.05, tail_angle=0.4
)
COUNTS = {"train": 4, "validation": 2}
LOOP = "[train]\nthreads = 1\nwarmup_steps = 1\ncheckpoint_every_seconds = 0.0\n"


def chosen(data: RansData) -> list[int]:
    """Return a few cases of each split, with trailing edges that are closed."""
    sharp = np.flatnonzero(data.cst[:, 17] < 0.01)
    return [
        int(i)
        for split, count in COUNTS.items()
        for i in [i for i in sharp if data.splits[i] == split][:count]
    ]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of some shipped rows, whose flows a network without training makes up."""
    folder = tmp_path_factory.mktemp("rans")
    (folder / "loop.toml").write_text(LOOP)
    corpus = start_corpus(folder / "corpus", manifest(RansCorpus()))
    table, data = open_corpus(SHIPPED).read(), read_rans(SHIPPED)
    torch.manual_seed(0)
    teacher = FieldSurrogate(FieldConfig(stages=(4, 6), hidden=8)).eval()
    for i in chosen(data):
        name = data.case_ids[i]
        corpus.write(name, table.filter(pc.equal(table["case_id"], name)))  # pyright: ignore
        conditions = float(data.alpha_deg[i]), float(data.reynolds[i])
        flow = predict_fields(teacher, data.contours()[i], *conditions, settings=SMALL)
        save_flow(flow_file(corpus.path, name), flow)
    return folder


def fit(
    home: Path, out: Path, *more: str, corpus: Path | None = None, kind: str = "rans"
) -> list[str]:
    paths = [str(corpus or home / "corpus"), "--out", str(out)]
    loop = ["--steps", "3", "--config", str(home / "loop.toml"), "--quiet"]
    return ["fit", kind, *paths, *loop, *more]


def refused(arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert why in " ".join(capsys.readouterr().err.split())


def stop_at(monkeypatch: pytest.MonkeyPatch, save: int) -> None:
    """Interrupt a training after so many checkpoints."""
    original, saves = Run.save, []

    def stop(run: Run) -> None:
        original(run)
        saves.append(run.step)
        if len(saves) == save:
            raise KeyboardInterrupt

    monkeypatch.setattr(Run, "save", stop)


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


@pytest.fixture(scope="module")
def forces(home: Path) -> Path:
    assert main(fit(home, home / "forces", "--pretrained", "turbulent-wall")) == 0
    return home / "forces"


@pytest.fixture(scope="module")
def fields(home: Path) -> Path:
    assert main(fit(home, home / "fields", kind="rans-fields")) == 0
    return home / "fields"


def test_forces_are_learned_saved_and_predicted(home, forces, tmp_path, capsys):
    surrogate, data = zoo.load(forces), read_rans(home / "corpus")
    assert isinstance(surrogate, RansSurrogate)
    learned = data.of_split("train")
    low, high = surrogate.training_range["alpha_deg"]
    assert (low, high) == (learned.alpha_deg.min(), learned.alpha_deg.max())
    (tmp_path / "cases.csv").write_text("section,alpha_deg,reynolds\nnaca2412,4,3e6\n")
    paths = ["--cases", str(tmp_path / "cases.csv"), "--out", str(tmp_path / "out.csv")]
    assert main(["predict", str(forces), *paths, "--std"]) == 0
    with open(tmp_path / "out.csv", newline="") as handle:
        (row,) = csv.DictReader(handle)
    assert float(row["cd"]) == pytest.approx(0.0098, rel=0.2) and float(row["cl_std"]) > 0
    capsys.readouterr()
    assert main(fit(home, forces, "--pretrained", "turbulent-wall")) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "│" in line]
    assert [line.split("│")[1].strip() for line in lines] == [
        "cl", "cd_relative", "cm", "cp_rmse",
    ]  # fmt: skip
    assert all("100.0 %" in line for line in lines[:3])
    assert same(zoo.load(forces), surrogate)


def test_stopped_forces_go_on_to_what_they_would_have_been(
    home, forces, tmp_path, monkeypatch, capsys
):
    asked = fit(home, tmp_path / "a", "--pretrained", "turbulent-wall")
    with monkeypatch.context() as patch:
        stop_at(patch, 6)
        assert main(asked) == 130
    assert sorted(path.name for path in (tmp_path / "a").glob("member-*")) == [
        "member-0", "member-1",
    ]  # fmt: skip
    assert main(asked) == 0
    assert same(zoo.load(tmp_path / "a"), zoo.load(forces))
    assert main(fit(home, tmp_path / "scratch")) == 0
    assert not same(zoo.load(tmp_path / "scratch"), zoo.load(forces))
    refused(fit(home, tmp_path / "a"), "start = weights", capsys)


def test_the_same_cases_with_other_answers_are_another_training(
    home, forces, fields, tmp_path, capsys
):
    table = open_corpus(home / "corpus").read()
    other = start_corpus(tmp_path / "corpus", manifest(RansCorpus()))
    lift = pc.add(table["cl"], 1e-3)  # pyright: ignore
    other.write("all", table.set_column(table.schema.get_field_index("cl"), "cl", lift))
    before = (forces / zoo.FILE).read_bytes()
    asked = fit(home, forces, "--pretrained", "turbulent-wall", corpus=other.path)
    refused(asked, "data = 4 cases, content", capsys)
    assert (forces / zoo.FILE).read_bytes() == before
    shutil.copytree(home / "corpus" / "flows", other.path / "flows")
    record = flow_file(other.path, read_rans(other.path).of_split("train").case_ids[0])
    flow = load_flow(record)
    save_flow(record, replace(flow, pressure=flow.pressure + np.float32(1e-3)))
    asked = fit(home, fields, kind="rans-fields", corpus=other.path)
    refused(asked, "data = 4 cases, content", capsys)
    assert main(fit(home, fields, kind="rans-fields")) == 0


def test_coarse_cases_are_learned_from_first(home, forces, tmp_path, monkeypatch, capsys):
    coarse = ("--pretrained", "turbulent-wall", "--coarse-corpus", str(home / "corpus"))
    asked = fit(home, tmp_path / "a", *coarse)
    with monkeypatch.context() as patch:
        stop_at(patch, 1)
        assert main(asked) == 130
    assert (tmp_path / "a" / "coarse").is_dir() and not (tmp_path / "a" / "member-0").exists()
    assert main(asked) == 0
    assert main(fit(home, tmp_path / "b", *coarse)) == 0
    assert same(zoo.load(tmp_path / "a"), zoo.load(tmp_path / "b"))
    assert not same(zoo.load(tmp_path / "a"), zoo.load(forces))
    capsys.readouterr()
    without = fit(home, tmp_path / "a", "--pretrained", "turbulent-wall")
    refused(without, "coarse = 4 cases, content", capsys)
    asked = fit(home, tmp_path / "x", *coarse[2:], kind="rans-fields")
    refused(asked, "settings has no key 'coarse'", capsys)


def test_fields_are_learned_saved_and_predicted(home, fields, forces, tmp_path):
    surrogate = zoo.load(fields)
    assert surrogate.provenance["validation"]["counts"] == {"cases": COUNTS["validation"]}
    assert surrogate.provenance["validation"]["error"]["cp_rmse"] > 0
    (tmp_path / "cases.csv").write_text("section,alpha_deg,reynolds\nnaca0012,4,3e6\n")
    paths = ["--cases", str(tmp_path / "cases.csv"), "--out", str(tmp_path / "out.csv")]
    paths += ["--fields", str(tmp_path / "vtu"), "--field-surrogate", str(fields)]
    assert main(["predict", str(forces), *paths]) == 0
    written = tmp_path / "vtu" / "00001-naca0012.vtu"
    flow = read_flow_vtu(written, alpha_deg=4.0, reynolds=3e6)
    own, shipped = (
        predict_fields(model, load_section("naca0012").pos, 4.0, 3e6)
        for model in (surrogate, zoo.load("rans-fields"))
    )
    assert np.allclose(flow.pressure, own.pressure, atol=1e-5)
    assert not np.allclose(flow.pressure, shipped.pressure, atol=1e-3)


def test_stopped_fields_go_on_without_sampling_again(home, fields, tmp_path, monkeypatch):
    asked = fit(home, tmp_path / "a", kind="rans-fields")
    with monkeypatch.context() as patch:
        stop_at(patch, 2)
        assert main(asked) == 130
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "a" / "samples").iterdir()}
    assert len(kept) == sum(COUNTS.values())
    assert main(asked) == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert same(zoo.load(tmp_path / "a"), zoo.load(fields))


@pytest.mark.parametrize("network", list(Network))
def test_fields_begin_with_an_encoder_of_their_own_network(network, home, tmp_path, capsys):
    config = FieldConfig(network=network)
    zoo.save(FieldSurrogate(config), tmp_path / NETWORK, architecture=config)
    flags = ("--pretrained", str(tmp_path), "--network")
    assert main(fit(home, tmp_path / "out", *flags, network.value, kind="rans-fields")) == 0
    assert zoo.load(tmp_path / "out").config.network is network
    assert zoo.load(tmp_path / "out").provenance["from"] == str(tmp_path)
    other = next(kind for kind in Network if kind is not network)
    why = f"the pretrained network is of the {network} and that of the {other} is asked for"
    refused(fit(home, tmp_path / "other", *flags, other.value, kind="rans-fields"), why, capsys)
    assert not (tmp_path / "other" / "surrogate.safetensors").exists()


def test_records_that_teach_nothing_are_left_out_and_told(home, tmp_path, capsys):
    shutil.copytree(home / "corpus", tmp_path / "corpus")
    names = read_rans(tmp_path / "corpus").of_split("train").case_ids
    first, second, third = (flow_file(tmp_path / "corpus", name) for name in names[:3])
    first.unlink()
    second.write_bytes(second.read_bytes()[:500])
    flow = load_flow(third)
    other = replace(flow.wall, cells=flow.wall.cells[::-1].copy())
    save_flow(third, replace(flow, wall=other))
    asked = fit(home, tmp_path / "out", kind="rans-fields", corpus=tmp_path / "corpus")
    assert main(asked) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert f"left out of train: 1 with no record in flows/ ({names[0]})" in told
    assert f"1 with a damaged record ({names[1]})" in told
    assert (
        f"1 with a mesh that is not of one block, as around a blunt trailing edge ({names[2]})"
        in (told)
    )
    flow_file(tmp_path / "corpus", names[3]).unlink()
    why = "no case of split 'train' that fields can be learned from (2 with no record in flows/"
    refused(asked, why, capsys)


@pytest.mark.filterwarnings("default::formwright.datasets.errors.StudyWarning")
def test_corpora_that_are_none_are_refused(home, tmp_path, capsys):
    for kind in ("rans", "rans-fields"):
        asked = fit(home, tmp_path / "x", kind=kind, corpus=tmp_path)
        refused(asked, "holds no corpus", capsys)
    table = open_corpus(home / "corpus").read()
    learning = start_corpus(tmp_path / "train", manifest(RansCorpus()))
    learning.write("all", table.filter(pc.equal(table["split"], "train")))  # pyright: ignore
    assert main(fit(home, tmp_path / "held", corpus=learning.path)) == 0
    assert "1 sections) are held out instead" in " ".join(capsys.readouterr().err.split())
    shutil.copytree(home / "corpus" / "flows", learning.path / "flows")
    assert not (tmp_path / "x" / "surrogate.safetensors").exists()
    asked = fit(home, tmp_path / "f", kind="rans-fields", corpus=learning.path)
    assert main(asked) == 0
    assert "1 sections) are held out instead" in " ".join(capsys.readouterr().err.split())


def test_networks_of_something_else_are_refused(home, tmp_path, capsys):
    small = RansConfig(channels=8)
    zoo.save(small.network(), tmp_path / "small", kind="rans", architecture=small)
    refusals = {
        "airfoil-encoder": "holds 'polar', not a model of kind 'rans'",
        "turbulent-wal": "Did you mean 'turbulent-wall'",
        str(
            tmp_path / "small"
        ): "the weights of 'the pretrained network' are of another architecture",
    }
    for name, why in refusals.items():
        refused(fit(home, tmp_path / "x", "--pretrained", name), why, capsys)
    asked = fit(home, tmp_path / "x", "--pretrained", "turbulent-wall", kind="rans-fields")
    refused(asked, "holds 'rans', not a model of kind 'rans-fields'", capsys)
    assert not (tmp_path / "x" / "surrogate.safetensors").exists()


def test_flags_that_say_nothing_alone_are_refused(home, fields, tmp_path, capsys):
    out = ("--out", str(tmp_path / "x"))
    refused(fit(home, tmp_path / "x", "--network", "mesh"), "has no key 'network'", capsys)
    refused(fit(home, tmp_path / "x", "--start", "rans-2d"), "give --pretrained", capsys)
    refused(fit(home, tmp_path / "x", str(tmp_path)), "fitted to one corpus; got 2", capsys)
    (tmp_path / "typo.toml").write_text("batch_point = 3\n")
    typo = ["fit", "rans", str(home / "corpus"), *out, "--config"]
    refused([*typo, str(tmp_path / "typo.toml")], "Did you mean 'batch_points'", capsys)
    cases = ["--cases", "x.csv", "--out", str(tmp_path / "out.csv")]
    flags = [*cases, "--field-surrogate", str(fields)]
    refused(["predict", "rans-2d", *flags], "--field-surrogate needs --fields", capsys)
    wrong = [*cases, "--fields", str(tmp_path / "f"), "--field-surrogate", str(home)]
    refused(["predict", "rans-2d", *wrong], "there is no such folder with a surrogate", capsys)
    refused(["predict", str(fields), *cases], "give it as --field-surrogate", capsys)
    wrong[-1] = str(zoo.FOLDER / "rans-2d.safetensors")
    refused(
        ["predict", "rans-2d", *wrong], "holds 'rans', not a model of kind 'rans-fields'", capsys
    )
