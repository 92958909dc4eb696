from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch, Data

from formwright.datasets.airfoils.cst import coordinates
from formwright.datasets.cases import sections_batch
from formwright.surrogate.airfoils.conditioned import Conditioned, MirroredLinear
from formwright.surrogate.airfoils.encoder import ContourCNN, ContourMLP, mirrored, rings

ENCODERS = [ContourMLP(hidden=(48,), embedding=12), ContourCNN(channels=8, embedding=12)]


def contours(count: int = 3, points: int = 70) -> torch.Tensor:
    base = torch.tensor([-0.12] * 8 + [0.2] * 8 + [0.0, 0.003], dtype=torch.float64)
    noise = torch.randn(count, 18, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return coordinates(base + 0.02 * noise.index_fill(1, torch.tensor([16, 17]), 0.0), points)


def batch(pos: torch.Tensor, alpha: float = 4.0) -> Data:
    shape = (len(pos), 2)
    conditions = {"alpha_deg": torch.full(shape, alpha), "reynolds": torch.full(shape, 1e6)}
    return sections_batch(pos, {k: v.double() for k, v in conditions.items()})


def mirror(pos: torch.Tensor) -> torch.Tensor:
    return pos.flip(1) * pos.new_tensor([1.0, -1.0])


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda e: type(e).__name__)
def test_mirroring_the_section_swaps_the_halves(encoder):
    encoder = encoder.double().eval()
    own, twin = encoder(batch(contours())).per_case.chunk(2, -1)
    own_m, twin_m = encoder(batch(mirror(contours()))).per_case.chunk(2, -1)
    torch.testing.assert_close(own_m, twin, rtol=0, atol=1e-12)
    torch.testing.assert_close(twin_m, own, rtol=0, atol=1e-12)
    assert (own - twin).abs().max() > 1e-3


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda e: type(e).__name__)
def test_panelling_hardly_matters(encoder):
    encoder = encoder.double().eval()
    coarse, fine = (encoder(batch(contours(points=n))).per_case for n in (80, 200))
    assert (coarse - fine).abs().max() < 1e-3 * fine.std()


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda e: type(e).__name__)
def test_batch_equals_loop_and_width_is_kept(encoder):
    encoder = encoder.double().eval()
    together = encoder(batch(contours())).per_case
    alone = torch.cat([encoder(batch(pos[None])).per_case for pos in contours()])
    assert together.shape == (3, encoder.width)
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)


def test_contours_of_different_lengths_make_a_batch():
    parts = [contours(1, n)[0] for n in (50, 90)]
    ragged = Batch.from_data_list([Data(pos=pos) for pos in parts])
    together = rings(ragged)
    alone = torch.cat([rings(batch(pos[None])) for pos in parts])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)


def test_mirrored_twice_is_the_same():
    ring = rings(batch(contours()))
    assert torch.equal(mirrored(mirrored(ring)), ring)


def test_standardise_respects_the_mirror():
    encoder = ContourMLP(hidden=(16,), embedding=4).double()
    encoder.standardise(rings(batch(contours(20))))
    torch.testing.assert_close(mirrored(encoder.scale.mean), encoder.scale.mean)
    torch.testing.assert_close(encoder.scale.std.flip(0), encoder.scale.std)


def test_twin_layer_commutes_with_the_swap():
    layer = MirroredLinear(6, 6).double()
    twins = torch.randn(2, 5, 6, dtype=torch.float64)
    assert torch.equal(layer(twins.flip(0)), layer(twins).flip(0))


def test_conditioned_swaps_with_mirror_and_opposite_incidence():
    network = Conditioned(ContourMLP(hidden=(32,), embedding=8), hidden=16, layers=2).double()
    own, twin = network(batch(contours(), 4.0)).chunk(2, -1)
    own_m, twin_m = network(batch(mirror(contours()), -4.0)).chunk(2, -1)
    torch.testing.assert_close(own_m, twin, rtol=0, atol=1e-12)
    torch.testing.assert_close(twin_m, own, rtol=0, atol=1e-12)
