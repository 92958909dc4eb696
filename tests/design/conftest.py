"""A surrogate without learning (thin-airfoil theory and a made-up drag), spaces and problems."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from formwright.datasets.airfoils import geometry
from formwright.datasets.airfoils.sections import load_section
from formwright.datasets.cases import section_case
from formwright.datasets.config import from_mapping
from formwright.datasets.solvers.result import POLAR_LABELS, Result, stations
from formwright.design.airfoils import constraints as c
from formwright.design.airfoils.spaces.bspline import BSpline
from formwright.design.airfoils.spaces.cst import CST
from formwright.design.airfoils.stages import prepare
from formwright.design.airfoils.study import Study
from formwright.design.airfoils.verifiers import Chosen, SolverName
from formwright.design.spaces.points import OperatingPoint, OperatingPoints
from formwright.surrogate.model import Prediction, Surrogate


class ThinAirfoil(Surrogate):
    """CL and CM of thin-airfoil theory; drag from thickness, lift and Reynolds number; smooth."""

    labels = POLAR_LABELS
    training_range = {"alpha_deg": (-10.0, 16.0), "reynolds": (5e4, 1e7)}

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Identity()

    def forward(self, batch, *, fields=False):
        pos = batch.pos.reshape(len(batch.ptr) - 1, -1, 2)
        half = (pos.shape[1] + 1) // 2
        upper, lower = pos[:, :half].flip(1), pos[:, half - 1 :]
        x, camber = upper[..., 0], 0.5 * (upper[..., 1] + lower[..., 1])
        thickness = (upper[..., 1] - lower[..., 1]).square().mean(1)
        slope = camber.diff(dim=1) / x.diff(dim=1)
        theta = torch.linspace(0, torch.pi, half, dtype=pos.dtype)
        mid, step = 0.5 * (theta[1:] + theta[:-1]), torch.pi / (half - 1)
        a = [(slope * (k * mid).cos()).sum(1) * step / torch.pi * (1 + (k > 0)) for k in range(3)]
        owner = batch.condition_batch
        alpha = torch.deg2rad(batch.alpha_deg)
        cl = 2 * torch.pi * (alpha - a[0][owner] + 0.5 * a[1][owner])
        cm = (-0.25 * torch.pi * (a[1] - a[2]))[owner]
        friction = (batch.reynolds / 1e6) ** -0.2
        wave = 0.02 * (slope.diff(dim=1) ** 2).sum(1)[owner]
        cd = 0.005 * friction + 0.2 * thickness[owner] + 0.004 * (cl - 0.5) ** 2 + wave
        xtr = torch.sigmoid(-cl)
        mean = {"cl": cl, "cd": cd, "cm": cm, "xtr_top": xtr, "xtr_bottom": 1 - xtr}
        std = {name: 0.01 + 0.02 * value.abs() for name, value in mean.items()}
        std["cd"] = 0.02 * cd * (1 + 0.1 * alpha**2)
        cp = {}
        if fields:
            s = torch.from_numpy(stations())
            cp = {"cp_top": -cl[:, None] * (1 - s), "cp_bottom": 0.5 * cl[:, None] * (1 - s)}
        return Prediction(
            mean=mean,
            std=std,
            lower={k: mean[k] - 1.6 * std[k] for k in mean},
            upper={k: mean[k] + 1.6 * std[k] for k in mean},
            level=0.9,
            fields=cp,
        )


class ThinSolver:
    """The same theory as a solver with a known offset; optionally with false and failed points."""

    def __init__(self, lift=1.0, drag=1.05, stall_deg=14.0, false_every=0):
        self.lift, self.drag, self.stall_deg, self.false_every = lift, drag, stall_deg, false_every
        self.calls = 0

    def solve(self, cases):
        for case in cases:
            self.calls += 1
            yield self._one(case)

    def _one(self, case):
        mean = {k: v.detach().numpy().copy() for k, v in ThinAirfoil()(case).mean.items()}
        mean["cl"] *= self.lift
        mean["cd"] *= self.drag
        alpha = case.alpha_deg.numpy()
        if self.false_every:
            mean["cd"][self.false_every :: self.false_every] *= 0.4
        reasons = tuple("stalled" if a > self.stall_deg else "" for a in alpha)
        for values in mean.values():
            values[alpha > self.stall_deg] = np.nan
        cp = np.outer(mean["cl"], 1 - stations())
        return Result(
            labels=mean,
            fields={"cp_top": -cp, "cp_bottom": 0.5 * cp},
            reasons=reasons,
            solver="thin airfoil 1.0",
            settings={"drag": self.drag},
            seconds=0.0,
        )


@pytest.fixture
def surrogate():
    return ThinAirfoil()


@pytest.fixture
def solver():
    return ThinSolver()


@pytest.fixture
def points():
    return OperatingPoints.at_lift(
        [0.4, 0.6, 0.8], reynolds=[1e6, 8e5, 6e5], weight=[1.0, 2.0, 3.0]
    )


@pytest.fixture
def mixed_points():
    return OperatingPoints(
        (
            OperatingPoint(reynolds=1e6, alpha_deg=1.0),
            OperatingPoint(reynolds=5e5, cl=0.6, weight=2.0, ncrit=5.0),
            OperatingPoint(reynolds=5e5, cl=0.9, mach=0.1),
        )
    )


@pytest.fixture(params=[CST, BSpline], ids=["cst", "bspline"])
def space(request, points):
    return request.param(points=points)


@pytest.fixture
def start(space):
    """Parameters of NACA 0012 in the space, incidences at their start."""
    return encode(space, load_section("naca0012").pos)


def encode(space, pos):
    alpha = space.points.start[None]
    conditions = {k: v[0] for k, v in space.points.conditions(alpha).items()}
    return space.encode(section_case(pos, conditions))[0]


@pytest.fixture
def every_constraint(space, start):
    return (
        c.lift_targets(space.points),
        c.label_between("cm", lower=-0.1, upper=0.1),
        c.confidence("cd", upper=0.05),
        c.thickness(0.33, lower=0.1),
        c.positive_thickness(),
        c.geometric("max_thickness", geometry.max_thickness, upper=0.2),
        c.geometric("area", geometry.area, lower=0.02),
        c.geometric("radius", geometry.leading_edge_radius, lower=0.001),
        c.geometric("angle", geometry.trailing_edge_angle_deg, lower=2.0, scale=1.0),
        c.smoothness(space.decode(start[None]), 2.0),
        c.alpha_increasing(),
    )


@pytest.fixture
def make_solver():
    return ThinSolver


@pytest.fixture
def prepared(surrogate, solver):
    """Return what makes a study ready to run with the stand-ins; its keys may be given."""
    usual = {"surrogate": "stand-in", "points": [{"cl": 0.4, "reynolds": 1e6}]}

    def build(*, by_model=surrogate, **more):
        study = from_mapping(Study, usual | more)
        return prepare(study, by_model, Chosen(SolverName.PANEL, solver, "a stand-in."))

    return build
