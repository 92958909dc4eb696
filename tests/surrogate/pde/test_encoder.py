from __future__ import annotations

import pytest
import torch

from formwright.datasets.errors import ConfigError, CorpusError
from formwright.datasets.pde.runs import field_batch, grid_values, with_values
from formwright.surrogate.pde.encoder import FieldCNN


def batch(cases: int = 3, frames: int = 4, channels: int = 1, space: tuple[int, ...] = (32,)):
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(cases, frames, channels, *space, generator=generator)
    whole = torch.ones(cases)
    return field_batch(values, whole[:, None].expand(-1, len(space)), whole, whole)


@pytest.mark.parametrize("space", [(32,), (16, 24)])
def test_shapes_of_the_embedding(space: tuple[int, ...]):
    encoder = FieldCNN(
        dimensions=len(space), frames=4, channels=2, stages=(8, 12), embedding=20, point_channels=6
    )
    case = batch(channels=2, space=space)
    encoder.standardise(case)
    answer = encoder.eval()(case)
    assert answer.per_case.shape == (3, 20)
    assert answer.per_point is not None and answer.per_point.shape == (len(case.field), 6)
    bare = FieldCNN(dimensions=len(space), frames=4, channels=2, point_channels=0)
    assert bare(batch(channels=2, space=(32, 32)[: len(space)])).per_point is None


def test_the_default_has_the_size_it_says():
    count = sum(p.numel() for p in FieldCNN(point_channels=0).parameters())
    assert 150_000 < count < 170_000


@pytest.mark.parametrize("space", [(32,), (16, 16)])
def test_a_shift_by_the_stride_changes_nothing(space: tuple[int, ...]):
    encoder = FieldCNN(dimensions=len(space), frames=4, stages=(8, 12), embedding=20).eval()
    case = batch(space=space)
    shifted = with_values(case, grid_values(case).roll(encoder.stride, -1))
    a, b = encoder(case), encoder(shifted)
    torch.testing.assert_close(a.per_case, b.per_case, rtol=1e-4, atol=1e-5)
    assert a.per_point is not None and b.per_point is not None
    moved = a.per_point.reshape(3, *space, -1).roll(encoder.stride, len(space))
    torch.testing.assert_close(moved.flatten(0, len(space)), b.per_point, rtol=1e-4, atol=1e-5)


def test_a_long_run_is_the_mean_of_its_windows():
    encoder = FieldCNN(frames=4, stages=(8, 12), embedding=20).eval()
    case = batch(frames=9)
    values = grid_values(case)
    halves = [encoder(with_values(case, values[:, i : i + 4])) for i in (0, 4)]
    mean = 0.5 * (halves[0].per_case + halves[1].per_case)
    torch.testing.assert_close(encoder(case).per_case, mean, rtol=1e-4, atol=1e-5)


def test_batch_equals_loop_and_gradients_flow():
    encoder = FieldCNN(frames=4, stages=(8, 12), embedding=20).eval()
    case = batch()
    case.field.requires_grad_()
    whole = encoder(case).per_case
    for run in range(3):
        one = batch(cases=1)
        one.field = case.field.reshape(3, -1, *case.field.shape[1:])[run]
        torch.testing.assert_close(encoder(one).per_case[0], whole[run], rtol=1e-4, atol=1e-5)
    whole.square().sum().backward()
    assert case.field.grad is not None and (case.field.grad != 0).any()


def test_a_field_of_zeros_is_finite():
    encoder = FieldCNN(frames=4, stages=(8, 12), embedding=20)
    case = with_values(batch(), torch.zeros(3, 4, 1, 32))
    assert torch.isfinite(encoder(case).per_case).all()


def test_what_does_not_fit_is_named():
    encoder = FieldCNN(frames=4, stages=(8, 12))
    for wrong in (batch(frames=3), batch(channels=2), batch(space=(30,)), batch(space=(8, 8))):
        with pytest.raises(CorpusError, match="windows of 4 frames"):
            encoder(wrong)
    with pytest.raises(ConfigError, match="1 or 2"):
        FieldCNN(dimensions=3)


def test_walls_are_not_padded_as_circles():
    case = batch()
    case.periodic = torch.tensor([[True], [False], [True]])
    with pytest.raises(CorpusError, match="axis 0 of case 1 is not periodic"):
        FieldCNN(frames=4)(case)
    changed = with_values(case, grid_values(case)[..., ::2])
    assert torch.equal(changed.periodic, case.periodic)
