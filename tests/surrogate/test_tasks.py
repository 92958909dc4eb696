from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from formwright.datasets.errors import CorpusError, UnknownNameError
from formwright.datasets.polar_data import Polars
from formwright.datasets.wave_corpus import RECIPES, generate_waves
from formwright.surrogate.field_task import field_task
from formwright.surrogate.label_efficiency import EvaluationConfig, evaluate_pretraining
from formwright.surrogate.objectives.simclr import SimCLR
from formwright.surrogate.polar_task import labelled_flows
from formwright.surrogate.tasks import objective, task_of


@pytest.fixture(scope="module")
def waves(tmp_path_factory):
    folder = tmp_path_factory.mktemp("waves")
    recipe = replace(RECIPES["burgers"], runs=80, frames=24, points=64, keep_every=2)
    list(generate_waves(recipe, folder))
    return folder


def polars(counts: list[int]) -> Polars:
    section = np.repeat(np.arange(len(counts)), counts)
    vector = np.array([-0.15] * 8 + [0.2] * 8 + [0.0, 0.002])
    alpha = np.arange(len(section), dtype=float)
    names = ("cl", "cd", "cm", "xtr_top", "xtr_bottom")
    return Polars(
        case_ids=tuple(map(str, range(len(counts)))),
        names=tuple(map(str, range(len(counts)))),
        splits=("train",) * len(counts),
        families=(("a",),) * len(counts),
        cst=np.stack([vector + 0.001 * i for i in range(len(counts))]),
        section=section,
        conditions={
            "alpha_deg": alpha,
            "reynolds": np.full(len(section), 1e6),
            "ncrit": np.full(len(section), 9.0),
            "mach": np.zeros(len(section)),
        },
        labels={name: alpha + i for i, name in enumerate(names)},
        converged=np.ones(len(section), dtype=bool),
        fields={},
    )


def test_labels_stay_with_their_section_and_condition():
    flows = labelled_flows(polars([5, 3, 7]), points=4)
    assert len(flows) == 2
    assert torch.equal(flows.answers["cl"], flows.conditions["alpha_deg"])
    assert torch.equal(flows.answers["cm"], flows.conditions["alpha_deg"] + 2)
    assert (flows.conditions["alpha_deg"][1] >= 8).all()
    with pytest.raises(CorpusError, match="no section has 8"):
        labelled_flows(polars([5, 3, 7]), points=8)


def test_runs_are_split_and_asked(waves, tmp_path):
    task = task_of([waves], "viscosity", None, ["simclr"])
    sizes = {name: len(part) for name, part in task.parts.items()}
    total = sum(sizes.values())
    assert total > 50 and sizes["train"] == int(0.7 * total)
    assert task.label == "ln viscosity" and list(task.recipes) == ["simclr, time lag"]
    config = EvaluationConfig(
        sizes=(8,),
        seeds=2,
        pretraining_seeds=1,
        learning_rates=(1e-3,),
        steps=(5,),
        pretraining_steps=2,
        batch_cases=8,
    )
    recipe = replace(task.recipes["simclr, time lag"], batch_cases=16)
    found = evaluate_pretraining(replace(task, recipes={"simclr": recipe}), config, tmp_path)
    assert min(found.errors["hand features + GP"][8]) < 0.9
    assert all(np.isfinite(e).all() for curve in found.errors.values() for e in curve.values())


def test_labels_that_are_not_there_or_do_not_vary_are_refused(waves):
    with pytest.raises(UnknownNameError, match="Did you mean 'viscosity'"):
        field_task(waves, "viscocity")


def test_a_constant_label_is_refused(tmp_path):
    parameters = {"viscosity": (0.1, 0.1)}
    recipe = replace(RECIPES["burgers"], runs=12, frames=8, points=32, parameters=parameters)
    recipe = replace(recipe, keep_every=1, tail=1.0)
    list(generate_waves(recipe, tmp_path))
    with pytest.raises(CorpusError, match="0.1 in every run"):
        field_task(tmp_path, "viscosity")


def test_objectives_by_name():
    assert objective("simclr") == SimCLR()
    with pytest.raises(UnknownNameError, match="Did you mean 'vicreg'"):
        objective("vicregg")


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(CorpusError, match="neither a corpus of polars"):
        task_of([tmp_path], "cl")
