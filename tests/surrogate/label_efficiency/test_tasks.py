from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from formwright.datasets.airfoils.polar_data import Polars
from formwright.datasets.errors import ConfigError, CorpusError, UnknownNameError, ViewError
from formwright.datasets.pde.corpus import RECIPES, generate_waves
from formwright.surrogate.airfoils.flow_pretexts import FlowMatch
from formwright.surrogate.airfoils.named import matched_flow, section_views
from formwright.surrogate.airfoils.task import labelled_flows, polar_task
from formwright.surrogate.atoms.task import structure_views
from formwright.surrogate.label_efficiency.protocol import EvaluationConfig, evaluate_pretraining
from formwright.surrogate.objectives.byol import BYOL
from formwright.surrogate.objectives.jepa import JEPA
from formwright.surrogate.objectives.objective import OBJECTIVES
from formwright.surrogate.objectives.simclr import SimCLR
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.objectives.visreg import VISReg
from formwright.surrogate.pde.named import Solved, run_views
from formwright.surrogate.pde.symmetries import Galilean, Parity, QuarterTurn, Shift
from formwright.surrogate.pde.task import default_views, field_task
from formwright.surrogate.pde.views import TimeLag
from formwright.surrogate.pretraining.choices import matched, objective_named, views_named
from formwright.surrogate.pretraining.matching import ViewMatch


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
    task = field_task([waves], "viscosity", None, {"simclr": SimCLR()})
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
        field_task([waves], "viscocity")


def test_a_constant_label_is_refused(tmp_path):
    parameters = {"viscosity": (0.1, 0.1)}
    recipe = replace(RECIPES["burgers"], runs=12, frames=8, points=32, parameters=parameters)
    recipe = replace(recipe, keep_every=1, tail=1.0)
    list(generate_waves(recipe, tmp_path))
    with pytest.raises(CorpusError, match="0.1 in every run"):
        field_task([tmp_path], "viscosity")


def test_objectives_by_name():
    assert objective_named("simclr") == SimCLR()
    with pytest.raises(UnknownNameError, match="Did you mean 'vicreg'"):
        objective_named("vicregg")


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(CorpusError, match="holds no corpus"):
        polar_task([tmp_path], "cl")
    with pytest.raises(CorpusError, match="one folder of runs; got 2"):
        field_task([tmp_path, tmp_path], "viscosity")


def test_named_views_make_a_recipe_a_set(waves):
    sets = [["window", "shift"], ["time-lag", "parity", "galilean"]]
    chosen = {"vicreg": VICReg(), "jepa": JEPA()}
    task = field_task([waves], "viscosity", None, chosen, sets)
    assert list(task.recipes) == [
        "vicreg, window + shift",
        "vicreg, time-lag + parity + galilean",
        "jepa, window + shift",
        "jepa, time-lag + parity + galilean",
    ]
    views = task.recipes["jepa, time-lag + parity + galilean"].views
    assert views == (TimeLag(frames=8), Parity(), Galilean())


def test_views_that_destroy_the_label_are_refused_before_anything_is_trained(waves):
    with pytest.raises(ViewError, match="Amplitude is forbidden for 'viscosity'"):
        field_task([waves], "viscosity", None, None, [["time-lag", "amplitude"]])


def test_views_that_do_not_exist_are_refused_with_the_list(waves):
    with pytest.raises(UnknownNameError, match=r"Did you mean 'time-lag'\? Known: time-lag, win"):
        field_task([waves], "viscosity", None, None, [["timelag"]])
    with pytest.raises(ConfigError, match="no view is named"):
        field_task([waves], "viscosity", None, None, [[]])


def test_a_recipe_without_named_views_takes_those_of_the_equation():
    burgers, kdv = (Solved(equation=kind, frames=8) for kind in ("burgers", "kdv"))
    assert default_views(burgers, "viscosity") == ("time-lag", "parity")
    assert default_views(kdv, "dispersion") == ("time-lag",)


def test_a_forced_flow_is_shifted_by_whole_periods():
    forced = Solved(equation="flow2d", frames=6, dimensions=2, waves=4)
    known = run_views(forced)
    assert known["shift"] == Shift(equation="flow2d", waves=4)
    with pytest.raises(ViewError, match="QuarterTurn is forbidden"):
        views_named(["quarter-turn"], known, ["viscosity"])
    free = run_views(replace(forced, waves=0))
    assert views_named(["quarter-turn"], free, ["viscosity"]) == (QuarterTurn(forced=False),)
    assert "shift-reflect" in known and "shift-reflect" not in free


@pytest.mark.parametrize(
    ("known", "label", "lost"),
    [
        (run_views(Solved(equation="kdv", frames=8)), "dispersion", {"parity", "amplitude"}),
        (section_views(), "xtr_top", {"manufacturing-noise"}),
        (section_views(), "cd", set()),
        (structure_views(), "e_ads_ev", {"other-element"}),
    ],
)
def test_every_view_says_of_the_label_whether_it_is_lost(known, label, lost):
    refused = set()
    for name in known:
        try:
            views_named([name], known, [label])
        except ViewError:
            refused.add(name)
    assert refused == lost


def test_projectors_suit_the_objective():
    widths = {name: matched(OBJECTIVES[name]()).projector for name in OBJECTIVES}
    assert widths.pop("jepa") == 0 and widths.pop("lejepa") == widths.pop("visreg") == 64
    assert set(widths.values()) == {256}
    assert isinstance(matched_flow(SimCLR()), FlowMatch)
    assert isinstance(matched_flow(BYOL()), ViewMatch)
    assert getattr(matched_flow(VISReg()), "projector") == 64  # noqa: B009
