"""Surrogates of RANS fields: symmetry, files, records, gradients through the mesh."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from formwright.datasets.airfoils.naca import four_digit
from formwright.datasets.airfoils.sections import naca
from formwright.datasets.errors import CheckpointError, ConditionError, FlowFileError, SectionError
from formwright.datasets.rans.flow_field import FlowField
from formwright.datasets.rans.flow_files import read_flow_vtu, write_flow
from formwright.datasets.rans.forces import integrate_flow
from formwright.datasets.rans.mesh.c_grid import grid_of, section_grid
from formwright.datasets.rans.mesh.cmesh import CMesh
from formwright.surrogate.checkpoints import save_tensors
from formwright.surrogate.rans.fields.figures import downstream, field_figure
from formwright.surrogate.rans.fields.network import FieldConfig, Network, graphs_for
from formwright.surrogate.rans.fields.predict import predict_fields, predict_grid, predict_section
from formwright.surrogate.rans.fields.samples import batched, coarser, prepared, sample
from formwright.surrogate.rans.fields.surrogate import FieldSurrogate
from formwright.surrogate.rans.fields.training import (
    FieldTraining,
    begin,
    loss,
    scales,
    train_fields,
    wall_errors,
)
from formwright.surrogate.zoo import load, save

SMALL = CMesh(
    cells_side=32, cells_wake=8, cells_normal=32, far_field=20.0, even_share=0.05, tail_angle=0.4
)
CONFIGS = {
    Network.GRID: FieldConfig(network=Network.GRID, stages=(4, 6, 8), hidden=8),
    Network.MESH: FieldConfig(network=Network.MESH, stages=(4, 6, 8), hidden=8),
}


def surrogate(network: Network = Network.GRID, seed: int = 0) -> FieldSurrogate:
    """Return a network that answers with something small, but not with nothing."""
    torch.manual_seed(seed)
    built = FieldSurrogate(CONFIGS[network])
    for name, parameter in built.named_parameters():
        if parameter.dim() > 1 and not name.startswith("encoder.enter"):
            torch.nn.init.normal_(parameter, std=0.05)
    built.std.copy_(torch.tensor([0.1, 0.02, 0.05, 1.0]))
    return built.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def flow() -> FlowField:
    return predict_fields(surrogate(), naca("2412").pos, 4.0, 3e6, settings=SMALL)


@pytest.mark.parametrize("network", list(Network))
def test_a_mirrored_section_has_the_mirrored_flow(network: Network) -> None:
    pos = naca("2412").pos
    flip = torch.tensor([1.0, -1.0], dtype=torch.float64)
    model = surrogate(network).double()
    grid = section_grid(pos, 3e6, SMALL)
    twin_grid = section_grid(pos.flip(0) * flip, 3e6, SMALL)
    numbers = torch.tensor(3e6, dtype=torch.float64), torch.float64
    alpha = torch.tensor(4.0, dtype=torch.float64)
    own = predict_grid(model, grid, alpha, numbers[0], dtype=numbers[1])
    twin = predict_grid(model, twin_grid, -alpha, numbers[0], dtype=numbers[1])
    tolerance = 1e-8 if network is Network.GRID else 0.02
    assert float(twin.forces.cl) == pytest.approx(-float(own.forces.cl), abs=tolerance)
    assert float(twin.forces.cd) == pytest.approx(float(own.forces.cd), abs=tolerance)
    assert torch.allclose(twin.cp.flip(0), own.cp, atol=10 * tolerance)


def test_a_prediction_is_a_record_whose_file_has_the_same_forces(
    flow: FlowField, tmp_path: Path
) -> None:
    import meshio

    write_flow(tmp_path / "case.vtu", flow)
    mesh = meshio.read(tmp_path / "case.vtu")
    assert set(mesh.cell_data) == {"U", "p", "nut"} and len(mesh.cells[0].data) == 80 * 32
    again = read_flow_vtu(tmp_path / "case.vtu", alpha_deg=4.0, reynolds=3e6)
    for name in ("cl", "cd", "cm"):
        assert again.forces[name] == pytest.approx(flow.forces[name], rel=2e-3, abs=1e-5)
        assert float(getattr(integrate_flow(flow), name)) == pytest.approx(flow.forces[name])
    assert (flow.nut >= 0.0).all() and (flow.wall.y_plus > 0.0).all()
    assert grid_of(flow).wake == 8


@pytest.mark.parametrize("network", list(Network))
def test_the_gradient_of_drag_to_the_contour_agrees_with_finite_differences(
    network: Network,
) -> None:
    base = four_digit(2.0, 4.0, 12.0, points_per_side=60)
    grid = section_grid(base, 3e6, SMALL)
    model = surrogate(network).double()
    x = base[:, 0]
    upper = (torch.arange(len(base)) < len(base) // 2).double()
    bumps = torch.stack([(torch.pi * x).sin() ** 2 * upper, x * (1 - x) ** 2 * (1 - upper)])

    def drag(weights: Tensor, alpha: Tensor) -> Tensor:
        pos = base + torch.stack([torch.zeros_like(x), weights @ bumps], -1)
        found = predict_section(model, pos, alpha, 3e6, grid=grid, base=base, dtype=torch.float64)
        return torch.stack([found.forces.cd, 0.01 * found.forces.cl])

    weights = torch.tensor([1e-3, -2e-3], dtype=torch.float64, requires_grad=True)
    alpha = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    exact = torch.stack(
        [
            torch.cat([g.reshape(-1) for g in torch.autograd.grad(row, (weights, alpha))])
            for row in (drag(weights, alpha)[0], drag(weights, alpha)[1])
        ]
    )
    step = 1e-6
    with torch.no_grad():
        sides = [
            (drag(weights + step * d[:2], alpha + step * d[2])
             - drag(weights - step * d[:2], alpha - step * d[2])) / (2 * step)
            for d in torch.eye(3, dtype=torch.float64)
        ]  # fmt: skip
    numeric = torch.stack(sides, -1)
    assert exact.abs().min() > 1e-6
    assert torch.allclose(exact, numeric, rtol=2e-3, atol=1e-7)


def test_a_moved_mesh_predicts_what_a_new_one_does() -> None:
    base, new = (four_digit(c, 4.0, 12.0, points_per_side=80) for c in (2.0, 1.5))
    grid = section_grid(base, 3e6, SMALL)
    moved = predict_section(surrogate(), new, 3.0, 3e6, grid=grid, base=base).forces
    again = predict_section(surrogate(), new, 3.0, 3e6, settings=SMALL).forces
    assert float(moved.cl) == pytest.approx(float(again.cl), rel=0.01)
    assert float(moved.cd) == pytest.approx(float(again.cd), rel=0.05)


def test_what_has_no_prediction_is_refused() -> None:
    blunt = naca("0012").pos.clone()
    blunt[: len(blunt) // 2, 1] += 0.03 * blunt[: len(blunt) // 2, 0]
    with pytest.raises(SectionError, match="chords thick"):
        predict_fields(surrogate(), blunt, 2.0, 3e6, settings=SMALL)
    for alpha, reynolds in ((float("nan"), 3e6), (2.0, -1.0), (60.0, 3e6)):
        with pytest.raises(ConditionError):
            predict_fields(surrogate(), naca("0012").pos, alpha, reynolds, settings=SMALL)


@pytest.mark.parametrize("network", list(Network))
def test_weights_come_back_from_their_file(network: Network, tmp_path: Path) -> None:
    model, path = surrogate(network), tmp_path / "fields.safetensors"
    save(model, path, {"cases": 3})
    again = load(path)
    assert again.config == model.config and again.provenance == {"cases": 3}
    pairs = zip(model.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    save_tensors(path, {"x": torch.zeros(1)}, {"kind": "polar"})
    with pytest.raises(CheckpointError, match="'polar'"):
        load(path, kind="rans-fields")


@pytest.mark.parametrize("network", list(Network))
def test_training_learns_the_fields_of_a_few_cases(network: Network) -> None:
    teacher = surrogate(seed=5)
    flows = [
        predict_fields(teacher, naca(name).pos, alpha, 3e6, settings=SMALL)
        for name, alpha in (("2412", 4.0), ("0012", -2.0), ("4415", 1.0))
    ]
    samples = [sample(flow) for flow in flows]
    loop = replace(
        FieldTraining().train, steps=40, learning_rate=1e-2, warmup_steps=10, ema_decay=0.8
    )
    training = FieldTraining(batch=2, train=loop)
    start = FieldSurrogate(CONFIGS[network], scales(samples)).eval()
    model = train_fields(begin(samples, CONFIGS[network]), samples, training)
    batch = batched(prepared(samples, graphs_for(model, samples[0])))
    with torch.no_grad():
        before, after = (float(loss(m(batch), batch, m, training).total) for m in (start, model))
    assert after < 0.7 * before
    errors = wall_errors(model, samples)
    assert errors.cp.shape == (3,) and torch.isfinite(errors.cd).all()
    for i, flow in enumerate(flows):
        assert float(errors.cl_true[i]) == pytest.approx(flow.forces["cl"], abs=1e-4)
        assert float(errors.cd_true[i]) == pytest.approx(flow.forces["cd"], abs=1e-5)


def test_joined_cells_are_means_of_those_joined(flow: FlowField) -> None:
    fine, coarse = sample(flow), sample(flow, factor=4)
    again = coarser(fine, 2)
    for name in ("features", "target", "grid", "wall_index", "wall_truth"):
        assert torch.allclose(again[name].double(), coarse[name].double(), atol=1e-6), name


def test_the_same_seed_trains_the_same_network(flow: FlowField) -> None:
    loop = replace(FieldTraining().train, steps=3, seed=7)
    samples, training = [sample(flow)], FieldTraining(batch=1, train=loop)
    first, again = (
        train_fields(begin(samples, CONFIGS[Network.GRID], seed=7), samples, training)
        for _ in range(2)
    )
    pairs = zip(first.parameters(), again.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_figure_shows_field_error_and_walls(flow: FlowField, tmp_path: Path) -> None:
    other = predict_fields(surrogate(seed=3), naca("2412").pos, 4.0, 3e6, settings=SMALL)
    figure = field_figure(other, flow)
    titles = [axis.get_title() for axis in figure.get_axes()]
    assert "prediction - RANS" in titles
    figure.savefig(tmp_path / "case.png", dpi=50)
    assert (tmp_path / "case.png").stat().st_size > 10_000
    field_figure(flow, field="speed").savefig(tmp_path / "one.png", dpi=50)
    assert (downstream(flow.wall)[[5, -6]] > 0.0).all()
    with pytest.raises(FlowFileError, match="there are pressure coefficient"):
        field_figure(flow, field="vorticity")


def test_the_shipped_weights_know_the_naca_0012() -> None:
    model, pos = load("rans-fields"), naca("0012").pos
    level = predict_fields(model, pos, 0.0, 6e6)
    assert level.forces["cl"] == pytest.approx(0.0, abs=1e-3)
    assert level.forces["cd"] == pytest.approx(0.0081, rel=0.15)
    lifting = predict_fields(model, pos, 6.0, 6e6)
    assert len(lifting.quads) == 39_200
    assert lifting.forces["cl"] == pytest.approx(0.65, rel=0.1)
