"""The U-Net on C-grids: the cut, odd sizes, batches, gradients."""

from __future__ import annotations

import torch
from torch_geometric.data import Data

from formwright.surrogate.rans.fields.grid import GridCNN, around

COLUMNS, LINES, WAKE = 22, 9, 4


def batch(seed: int = 0, cases: int = 1) -> Data:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(cases * COLUMNS * LINES, 5, generator=generator, dtype=torch.float64)
    return Data(features=features, grid=torch.tensor([[COLUMNS, LINES, WAKE]] * cases))


def encoder() -> GridCNN:
    torch.manual_seed(0)
    built = GridCNN(5, (4, 6, 8)).double()
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return built.eval()


def test_the_halves_of_the_wake_see_each_other_and_the_wall_sees_itself() -> None:
    x = torch.arange(COLUMNS, dtype=torch.float64)[None, None, :, None].expand(1, 1, -1, LINES)
    found = around(x, WAKE / COLUMNS)[0, 0]
    assert found.shape == (COLUMNS + 2, LINES + 2)
    below = found[1:-1, 0]
    assert torch.equal(below[:WAKE], torch.arange(21.0, 17.0, -1.0).double())
    assert torch.equal(below[-WAKE:], torch.arange(3.0, -1.0, -1.0).double())
    assert torch.equal(below[WAKE:-WAKE], x[0, 0, WAKE:-WAKE, 0])
    assert torch.equal(found[0, 1:-1], x[0, 0, 0])


def test_what_happens_in_one_half_of_the_wake_is_felt_in_the_other() -> None:
    case = batch()
    with torch.no_grad():
        before = encoder()(case).per_point
        features = case.features.clone().reshape(COLUMNS, LINES, 5)
        features[1, 0] += 1.0
        after = encoder()(Data(features=features.flatten(0, 1), grid=case.grid)).per_point
    change = (after - before).abs().sum(-1).reshape(COLUMNS, LINES)
    assert change[COLUMNS - 2, 0] > 1e-3 and change.shape == (COLUMNS, LINES)


def test_a_batch_answers_like_its_cases_alone() -> None:
    both = batch(cases=2)
    cells = COLUMNS * LINES
    with torch.no_grad():
        found = encoder()(both)
        for i in range(2):
            one = Data(features=both.features[i * cells : (i + 1) * cells], grid=both.grid[i, None])
            alone = encoder()(one)
            assert torch.allclose(found.per_point[i * cells : (i + 1) * cells], alone.per_point)
            assert torch.allclose(found.per_case[i], alone.per_case[0])


def test_mirrored_twice_is_the_same_and_columns_turn_round() -> None:
    case = batch()
    twin = GridCNN.mirrored(case, case.features)
    picture = case.features.reshape(COLUMNS, LINES, 5)
    assert torch.equal(twin.features.reshape(COLUMNS, LINES, 5), picture.flip(0))
    assert torch.equal(GridCNN.restored(case, twin.features), case.features)


def test_gradients_agree_with_finite_differences() -> None:
    case, network = batch(), encoder()

    def described(features: torch.Tensor) -> torch.Tensor:
        found = network(Data(features=features, grid=case.grid))
        return torch.cat([found.per_case.flatten(), found.per_point.mean(0)])

    assert torch.autograd.gradcheck(described, case.features.requires_grad_(), fast_mode=True)
