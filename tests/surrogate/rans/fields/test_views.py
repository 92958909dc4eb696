from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch_geometric.data import Data

from formwright.datasets.errors import ViewError
from formwright.surrogate.keeps import check_keeps
from formwright.surrogate.pretraining.matching import ViewMatch
from formwright.surrogate.pretraining.pretrain import PretrainConfig, pretrain_network
from formwright.surrogate.rans.fields.grid import GridCNN
from formwright.surrogate.rans.fields.hiding import Cells
from formwright.surrogate.rans.fields.inputs import FEATURES
from formwright.surrogate.rans.fields.mesh import MeshGNN
from formwright.surrogate.rans.fields.panel_field_corpus import PanelFieldCorpus, _fields
from formwright.surrogate.rans.fields.samples import (
    batched,
    coarser,
    grid_graphs,
    positions,
    prepared,
)
from formwright.surrogate.rans.fields.views import (
    FLOW_FEATURES,
    FLOW_LABELS,
    SECTION_LABELS,
    SEEN_FEATURES,
    Graphs,
    HideCells,
    JoinCells,
    OtherIncidence,
    OtherMesh,
)

SAFE = [OtherMesh(), JoinCells(), HideCells(), Graphs(levels=3)]
ROWS = torch.tensor([0, 3, 4, 11])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def case(panel_fields) -> Data:
    return panel_fields.batch(ROWS)


def test_the_incidence_is_refused_for_what_the_flow_does_and_nothing_else_is(panel_fields):
    check_keeps(SAFE, [*FLOW_LABELS, *SECTION_LABELS])
    check_keeps([OtherIncidence()], SECTION_LABELS)
    for label in FLOW_LABELS:
        with pytest.raises(ViewError, match=f"OtherIncidence is forbidden for '{label}'"):
            check_keeps([*SAFE, OtherIncidence()], [label])
    config = PretrainConfig(labels=("cl",), pretext=ViewMatch(), views=(OtherIncidence(),))
    network = GridCNN(len(FEATURES), (4, 6))
    with pytest.raises(ViewError, match="forbidden for 'cl'"):
        pretrain_network(network, panel_fields, config, progress=False)


def test_another_mesh_has_the_same_potential_flow_at_the_wall():
    import numpy as np

    vector = np.array([-0.15] * 8 + [0.2] * 8 + [0.0, 0.0])
    fields = _fields(PanelFieldCorpus(), vector, np.random.default_rng(3))
    columns, lines, wake = fields.grid.tolist()
    wall = torch.arange(wake, columns - wake) * lines

    def pressure(view: Data) -> tuple[np.ndarray, np.ndarray]:
        """Return the pressure on both sides at the same places, and where the cells are."""
        found, x = view.features[wall], positions(view.features[wall])[:, 0].numpy()
        cp = found[:, FEATURES.index("wall_pressure")].double().sinh().numpy()
        at, nose = np.linspace(0.03, 0.95, 40), int(x.argmin())
        upper = np.interp(at, x[nose::-1], cp[nose::-1])
        return np.concatenate([upper, np.interp(at, x[nose:], cp[nose:])]), x

    case = fields.batch(torch.tensor([1]))
    seen = [OtherMesh()(case, generator(seed)) for seed in range(4)]
    first, other = (next(v for v in seen if int(v.mesh) == m) for m in (0, 1))
    turned = fields.batch(torch.tensor([0]))
    (cp, x), (cp_other, x_other), (cp_turned, _) = map(pressure, (first, other, turned))
    assert np.abs(x - x_other).max() > 0.01
    assert np.abs(cp - cp_other).mean() < 0.02 < 0.2 < np.abs(cp - cp_turned).mean()
    assert torch.equal(first.alpha_deg, other.alpha_deg)


def test_another_mesh_is_drawn_for_each_case(case, panel_fields):
    views = [OtherMesh()(case, generator(seed)) for seed in range(6)]
    assert len({tuple(view.mesh.tolist()) for view in views}) > 2
    view = views[1]
    for i, row in enumerate(ROWS.tolist()):
        own = panel_fields.features[row // 2, row % 2, int(view.mesh[i])]
        assert torch.equal(view.features[view.ptr[i] : view.ptr[i + 1]], own)
    again = OtherMesh()(case, generator(1))
    assert torch.equal(again.features, view.features)


def test_another_incidence_is_that_of_the_same_section_and_is_told(case, panel_fields):
    view = OtherIncidence()(case, generator(2))
    assert (view.incidence != case.incidence).any()
    assert torch.equal(view.section, case.section) and torch.equal(view.reynolds, case.reynolds)
    assert torch.equal(view.alpha_deg, panel_fields.alpha_deg[view.section, view.incidence])
    assert torch.equal(view.start, view.alpha_deg)
    told = view.features[view.ptr[:-1], FEATURES.index("incidence")] / 5.0
    assert torch.allclose(told.asin().rad2deg(), view.alpha_deg, atol=1e-4)
    both = OtherMesh()(view, generator(3))
    assert torch.equal(both.alpha_deg, view.alpha_deg) and torch.equal(both.start, view.start)


def test_joined_cells_are_the_means_of_their_blocks(case):
    numbers = torch.randint(-64, 64, case.features.shape, generator=generator()).float()
    whole = Data.from_dict({**case.to_dict(), "features": numbers})
    found = JoinCells(factors=(2,))(whole, generator())
    picture = numbers.reshape(4, 40, 12, -1)
    want = sum(picture[:, i::2, j::2] for i in (0, 1) for j in (0, 1)) / 4.0
    assert torch.equal(found.features, want.flatten(0, 2))  # pyright: ignore
    assert torch.equal(found.grid, torch.tensor([[20, 6, 2]] * 4))
    assert torch.equal(found.ptr, 120 * torch.arange(5)) and found.num_nodes == 480
    alone = coarser(Data(features=numbers[:480], grid=case.grid[:1]), 2)
    assert torch.equal(found.features[:120], alone.features)
    assert JoinCells(factors=(1,))(case, generator()) is case


def test_hidden_cells_tell_nothing_and_visible_ones_stay(case):
    view = HideCells(side=5, share=0.4)(case, generator(4))
    visible = view.visible
    assert torch.equal(view.features[visible], case.features[visible])
    hidden = view.features[~visible]
    assert (hidden[:, list(FLOW_FEATURES)] == 0.0).all()
    kept = list(SEEN_FEATURES)
    assert torch.equal(hidden[:, kept], case.features[~visible][:, kept])
    blocks = visible.reshape(4, 8, 5, 12)
    assert (blocks == blocks[:, :, :1]).all() and (blocks[..., :5] == blocks[..., :1]).all()
    assert (blocks[..., 10:] == blocks[..., 10:11]).all()
    counts = (~blocks[:, :, 0, [0, 5, 10]]).sum((1, 2))
    assert torch.equal(counts, torch.full((4,), round(0.4 * 24)))
    other = Data.from_dict({**case.to_dict(), "features": case.features.clone()})
    secret = ~visible[:, None] & torch.isin(
        torch.arange(len(FEATURES)), torch.tensor(FLOW_FEATURES)
    )
    other.features[secret] = 1e3
    again = HideCells(side=5, share=0.4)(other, generator(4))
    assert torch.equal(again.features, view.features)
    assert not torch.equal(other.features, case.features)


def test_every_feature_is_hidden_or_tells_where_a_cell_is():
    told = [FEATURES[i] for i in SEEN_FEATURES]
    assert sorted((*FLOW_FEATURES, *SEEN_FEATURES)) == list(range(len(FEATURES)))
    assert {"u", "v", "pressure", "stream", "profile", "side"}.isdisjoint(told)


def test_what_is_to_be_predicted_is_the_flow_at_hidden_cells(case):
    hidden = Cells(side=4, share=0.5).hide(case, generator())
    assert torch.equal(hidden.where, ~hidden.batch["visible"]) and hidden.where.any()
    assert torch.equal(hidden.values, case.features[:, list(FLOW_FEATURES)])
    seen = hidden.batch["features"][hidden.where]
    assert (seen[:, list(FLOW_FEATURES)] == 0.0).all()


def test_graphs_make_a_mesh_network_read_a_batch_as_it_reads_each_case(case):
    torch.manual_seed(0)
    encoder = MeshGNN(len(FEATURES), (4, 6, 8)).eval()
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    view = Graphs(levels=3)(JoinCells(factors=(2,))(case, generator()), generator())
    parts = view.features.split(120)
    alone = [Data(features=part, grid=view.grid[:1]) for part in parts]
    with torch.no_grad():
        whole = encoder(view)
        each = [encoder(batched(prepared([c], grid_graphs(c, 3)))) for c in alone]
    assert torch.allclose(whole.per_case, torch.cat([e.per_case for e in each]), atol=1e-5)
    assert torch.allclose(whole.per_point, torch.cat([e.per_point for e in each]), atol=1e-5)


def test_views_in_a_wrong_order_are_refused(case, panel_fields):
    joined = JoinCells(factors=(2,))(case, generator())
    for view in (OtherMesh(), OtherIncidence()):
        for changed in (joined, HideCells()(case, generator()), Graphs()(case, generator())):
            with pytest.raises(ViewError, match="before the views that join or hide"):
                view(changed, generator())
    for changed in (HideCells()(case, generator()), Graphs()(case, generator())):
        with pytest.raises(ViewError, match="before the views that hide"):
            JoinCells(factors=(2,))(changed, generator())
    with pytest.raises(ViewError, match="does not divide a grid of 40 x 12 cells with 4"):
        JoinCells(factors=(1, 8))(case, generator())
    single = replace(
        panel_fields,
        features=panel_fields.features[:, :1, :1],
        alpha_deg=panel_fields.alpha_deg[:, :1],
    )
    with pytest.raises(ViewError, match="meshes=2"):
        OtherMesh()(single.batch(ROWS[:1]), generator())
    with pytest.raises(ViewError, match="incidences=2"):
        OtherIncidence()(single.batch(ROWS[:1]), generator())
    with pytest.raises(ViewError, match="these have x"):
        HideCells()(Data(x=torch.zeros(2)), generator())
