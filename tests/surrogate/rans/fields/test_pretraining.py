from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data

from formwright.datasets.airfoils.sections import naca
from formwright.datasets.errors import CheckpointError, ViewError
from formwright.datasets.rans.mesh.c_grid import section_grid
from formwright.surrogate.objectives.jepa import JEPA
from formwright.surrogate.pretraining.matching import ViewMatch
from formwright.surrogate.pretraining.pretrain import pretrain_network
from formwright.surrogate.rans.fields import training as rans_field_training
from formwright.surrogate.rans.fields.hiding import Cells
from formwright.surrogate.rans.fields.inputs import case_inputs
from formwright.surrogate.rans.fields.network import FieldConfig, Network
from formwright.surrogate.rans.fields.pretraining import (
    TRAINING,
    masked_cells,
    matched_meshes,
)
from formwright.surrogate.rans.fields.samples import question
from formwright.surrogate.rans.fields.surrogate import FieldSurrogate
from formwright.surrogate.rans.fields.training import FieldTraining, begin, train_fields
from formwright.surrogate.rans.fields.views import OtherIncidence, OtherMesh

CONFIGS = {network: FieldConfig(network=network, stages=(6, 8), hidden=8) for network in Network}
LOOP = replace(TRAINING, steps=30, warmup_steps=3, learning_rate=5e-3, log_every_steps=1, threads=1)


def recipe(name: str, config: FieldConfig, **changes):
    loop = replace(LOOP, **changes)
    if name == "masked":
        return masked_cells(config, loop, hiding=Cells(side=4), batch_cases=4)
    return matched_meshes(config, loop, factors=(1, 2), batch_cases=12)


def network(config: FieldConfig, seed: int = 0) -> FieldSurrogate:
    torch.manual_seed(seed)
    return FieldSurrogate(config)


def states_equal(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


def sample(panel_recipe, alpha: float) -> Data:
    """A case of the NACA 2412 whose corrections are made up."""
    grid = section_grid(naca("2412").pos, 3e6, panel_recipe.mesh)
    turn, reynolds = (torch.tensor(value, dtype=torch.float64) for value in (alpha, 3e6))
    nodes = torch.from_numpy(grid.points[grid.wall_corners])
    inputs = case_inputs(nodes, torch.from_numpy(grid.centres), turn, reynolds)
    case = question(grid, inputs, turn, reynolds, nodes, factor=1)
    wall: Tensor = case.wall_prior
    case.target = 0.1 * case.features[:, :4].tanh()
    case.wall_truth = torch.stack([1.0 - wall[:, 0].square(), 1.2 * wall[:, 2]], -1)
    case.decambering = torch.tensor([-0.01 * alpha])
    return case


@pytest.mark.parametrize("kind", list(Network))
@pytest.mark.parametrize("name", ["masked", "matched"])
def test_pretraining_lowers_its_loss(name: str, kind: Network, panel_fields):
    config = CONFIGS[kind]
    trained = network(config)
    history = pretrain_network(trained, panel_fields, recipe(name, config), progress=False).history
    losses = [line["loss"] for line in history]
    assert sum(losses[-5:]) < 0.92 * sum(losses[:5])


def test_the_same_seed_pretrains_the_same_encoder(panel_fields):
    config = CONFIGS[Network.GRID]
    first, again, other = network(config), network(config), network(config)
    for built, seed in ((first, 5), (again, 5), (other, 6)):
        settings = recipe("masked", config, steps=3, seed=seed)
        pretrain_network(built, panel_fields, settings, progress=False)
    assert states_equal(first.encoder, again.encoder)
    assert not states_equal(first.encoder, other.encoder)


def test_training_begins_with_the_pretrained_encoder(
    panel_recipe, panel_fields, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = CONFIGS[Network.GRID]
    trained = network(config, seed=1)
    pretrain_network(
        trained, panel_fields, recipe("masked", config, steps=3), tmp_path, progress=False
    )
    encoder = deepcopy(trained.encoder)
    begun, loops = [], []
    original = rans_field_training.train_for_use

    def spy(model, step, loop, *rest):
        begun.append({name: value.clone() for name, value in model.state_dict().items()})
        loops.append(loop)
        return original(model, step, loop, *rest)

    monkeypatch.setattr(rans_field_training, "train_for_use", spy)
    samples = [sample(panel_recipe, alpha) for alpha in (0.0, 4.0)]
    training = FieldTraining(batch=2, train=replace(FieldTraining().train, steps=3, threads=1))
    pretrained = begin(samples, config, encoder=encoder)
    found = train_fields(pretrained, samples, training, progress=False)
    train_fields(begin(samples, config), samples, training, progress=False)
    assert loops[0] == loops[1] and found.provenance["steps"] == 3
    for name, value in begun[0].items():
        part, _, rest = name.partition(".")
        wanted = trained.encoder.state_dict()[rest] if part == "encoder" else begun[1][name]
        assert torch.equal(value, wanted), name
    assert not torch.equal(begun[0]["encoder.enter.weight"], begun[1]["encoder.enter.weight"])
    assert states_equal(encoder, trained.encoder)
    assert not states_equal(found.encoder, encoder)


def test_a_training_takes_every_case_once_a_pass(panel_recipe, tmp_path: Path):
    samples = [sample(panel_recipe, 0.0)] * 7
    step = rans_field_training._Step(samples, FieldTraining(batch=2))
    passes = [sum((step._rows(3 * n + k) for k in range(3)), []) for n in range(3)]
    assert all(len(set(rows)) == 6 for rows in passes) and passes[0] != passes[1]
    assert step._rows(4) == step._rows(4)
    few = rans_field_training._Step(samples[:3], FieldTraining(batch=8))
    assert sorted(few._rows(5)) == [0, 1, 2]


def test_an_encoder_of_another_architecture_is_refused(panel_recipe):
    config = CONFIGS[Network.GRID]
    other, encoder = replace(config, stages=(6, 10)), network(config).encoder
    with pytest.raises(CheckpointError, match="the pretrained encoder"):
        begin([sample(panel_recipe, 0.0)], other, encoder=encoder)


def test_another_incidence_is_refused_for_lift_and_told_to_a_predictor(panel_fields):
    config = CONFIGS[Network.GRID]
    asked = recipe("matched", config, steps=2)
    turned = replace(asked, views=(OtherMesh(), OtherIncidence()))
    with pytest.raises(ViewError, match="OtherIncidence is forbidden for 'cl'"):
        pretrain_network(network(config), panel_fields, turned, progress=False)
    for_shape = replace(
        turned, labels=("thickness",), pretext=ViewMatch(objective=JEPA(), projector=0)
    )
    pretrain_network(network(config), panel_fields, for_shape, progress=False)
    model = ViewMatch(objective=JEPA(), projector=0).build(network(config), panel_fields)
    rows = torch.arange(12)
    a, b = (
        OtherIncidence()(panel_fields.batch(rows), torch.Generator().manual_seed(s)) for s in (0, 1)
    )
    z = torch.zeros(12, 8)
    told = model._with_lag(z, a, b)[:, -1]
    turn = b.alpha_deg - a.alpha_deg
    assert torch.allclose(told, (turn - turn.mean()) / turn.std(correction=0), atol=1e-3)
