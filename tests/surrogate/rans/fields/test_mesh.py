"""The mesh network: order of cells, batches, levels, gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch_geometric.data import Batch as PygBatch

from formwright.datasets.cases import Batch, Case
from formwright.datasets.rans.mesh.c_grid import coarse_edges
from formwright.datasets.rans.mesh.graph import GraphLevel, hierarchy
from formwright.surrogate.rans.fields.mesh import MeshGNN
from formwright.surrogate.rans.fields.samples import batched, with_graphs

COLUMNS, LINES, WAKE = 20, 8, 4
CELLS = COLUMNS * LINES


def graphs() -> list[GraphLevel]:
    return hierarchy(coarse_edges(COLUMNS, LINES, WAKE), CELLS, 3)


def case(seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(CELLS, 5, generator=generator)
    centres = torch.randn(CELLS, 2, generator=generator, dtype=torch.float64)
    return with_graphs(Batch(features=features), centres, graphs())


def encoder() -> MeshGNN:
    torch.manual_seed(0)
    built = MeshGNN(5, (4, 6, 8))
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return built.eval()


def test_the_order_of_the_cells_does_not_matter() -> None:
    own = case()
    order = torch.randperm(CELLS, generator=torch.Generator().manual_seed(1))
    place = torch.empty_like(order)
    place[order] = torch.arange(CELLS)
    other = own.clone()
    other.features = own.features[order]
    other["edges_0"], other["parent_0"] = place[own["edges_0"]], own["parent_0"][order]
    with torch.no_grad():
        found, again = encoder()(own), encoder()(other)
    assert torch.allclose(found.per_point[order], again.per_point, atol=1e-5)
    assert torch.allclose(found.per_case, again.per_case, atol=1e-5)


def by_pyg(cases: Sequence[Batch]) -> Case:
    return PygBatch.from_data_list([one.to_data() for one in cases])  # pyright: ignore


@pytest.mark.parametrize("join", [batched, by_pyg])
def test_a_batch_answers_like_its_cases_alone(join: Callable[[Sequence[Batch]], Case]) -> None:
    cases = [case(0), case(1), case(2)]
    with torch.no_grad():
        both = encoder()(join(cases))
        for i, one in enumerate(cases):
            alone = encoder()(one)
            part = both.per_point[i * CELLS : (i + 1) * CELLS]
            assert torch.allclose(part, alone.per_point, atol=1e-5)
            assert torch.allclose(both.per_case[i], alone.per_case[0], atol=1e-5)


def test_a_change_is_felt_by_every_cell_through_the_coarse_graphs() -> None:
    own = case()
    wide = MeshGNN(5, (4, 6, 8, 8))
    for parameter in wide.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    levels = hierarchy(coarse_edges(COLUMNS, LINES, WAKE), CELLS, 4)
    centres = torch.randn(CELLS, 2, dtype=torch.float64)
    own = with_graphs(Batch(features=own.features), centres, levels)
    features = own.features.clone().requires_grad_()
    own.features = features
    (slope,) = torch.autograd.grad(wide(own).per_point[0].sum(), features)
    assert (slope.abs().sum(-1) > 0.0).float().mean() > 0.9


def test_mirroring_turns_the_edges_over() -> None:
    own = case()
    twin = MeshGNN.mirrored(own, -own.features)
    assert torch.equal(twin.features, -own.features)
    sign = torch.tensor([1.0, -1.0, 1.0])
    assert torch.equal(twin["offsets_1"], own["offsets_1"] * sign)
    assert torch.equal(own["offsets_1"], case()["offsets_1"])


def test_gradients_agree_with_finite_differences() -> None:
    own, network = case().apply(lambda t: t.double() if t.is_floating_point() else t), encoder()
    network = network.double()

    def described(features: torch.Tensor) -> torch.Tensor:
        own.features = features
        found = network(own)
        return torch.cat([found.per_case.flatten(), found.per_point.mean(0)])

    features = own.features.clone().requires_grad_()
    assert torch.autograd.gradcheck(described, features, fast_mode=True)
