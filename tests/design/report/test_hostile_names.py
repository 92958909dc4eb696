"""Names that are HTML, Rich markup, mathematics and templates, through every report."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase.build import fcc111

from formwright.cli import main
from formwright.datasets.atoms.files.structures import write_structures
from formwright.datasets.atoms.structures import from_ase, structure
from formwright.datasets.config import from_mapping
from formwright.design.catalysts.study import CatalystStudy
from formwright.design.loop import run
from formwright.design.records import read_json
from formwright.surrogate.atoms.adsorption import AdsorptionConfig, AdsorptionSurrogate
from formwright.surrogate.label_efficiency.curves import SCRATCH, Evaluation
from formwright.surrogate.label_efficiency.report import write_report
from formwright.surrogate.zoo import save

HOSTILE = '=<script>alert(1)</script>[/bold]$^{a}_frac$ {{ 7 * 7 }} & "b"'


def screening(folder: Path) -> Path:
    torch.manual_seed(0)
    config = AdsorptionConfig(channels=8, layers=1, embedding=8, hidden=8, cutoff=4.0)
    surrogate = AdsorptionSurrogate(config).eval()
    surrogate.trained_on[[1, 78]] = True
    save(surrogate, folder / "surrogate.safetensors")
    slab = from_ase(fcc111("Pt", (2, 2, 3), vacuum=8))
    bad = structure(["Pt"], np.zeros((1, 3)))
    write_structures(folder / "s.extxyz", [slab, bad], name=[HOSTILE, f"{HOSTILE} bad"])
    given = ["screen", str(folder / "s.extxyz"), "--reaction", "HER", "--sites", "one"]
    given += ["--surrogate", str(folder), "--workers", "1", "--out", str(folder / "out")]
    assert main(given) == 1
    with (folder / "out" / "ranking.csv").open(newline="", encoding="utf-8") as handle:
        assert next(csv.DictReader(handle))["candidate"] == f"'{HOSTILE}"
    return folder / "out" / "report.html"


def catalysts(folder: Path) -> Path:
    design = {"elements": ["Pt", "Ti", "Cu", "Ni"], "proposals": 2, "starts": 2, "steps": 1}
    study: dict[str, Any] = {
        "name": HOSTILE,
        "encoder": "none",
        "network": {"channels": 8, "layers": 1, "cutoff": 4.0, "radial": 4, "embedding": 16},
        "labels": 40,
        "steps": 2,
        "more_steps": 1,
        "rounds": 1,
        "verifier": "table",
        "threads": 1,
        "design": {**design, "exchanges": 1},
    }
    done = run(from_mapping(CatalystStudy, study), folder / "out", progress=False)
    assert read_json(done.folder / "result.json")["study"]["name"] == HOSTILE
    return done.folder / "report.html"


def pretraining(folder: Path) -> Path:
    curves = {10: (0.5, 0.6), 20: (0.3, 0.4)}
    found = Evaluation(
        corpus=HOSTILE,
        label=HOSTILE,
        sizes=(10, 20),
        errors={SCRATCH: curves, f"{HOSTILE}, fine-tuned": curves},
        chosen={},
        cases={"train": 20, "unlabeled": 5},
        seconds=1.0,
    )
    write_report(found, folder / "report.html")
    return folder / "report.html"


@pytest.mark.parametrize("written", [screening, catalysts, pretraining])
def test_a_hostile_name_is_shown_as_it_is_and_does_nothing(written, tmp_path: Path) -> None:
    html = written(tmp_path).read_text(encoding="utf-8")
    assert "<script" not in html and "&lt;script&gt;" in html
    assert "{{ 7 * 7 }}" in html and "[/bold]$" in html
