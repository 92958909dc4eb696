"""Every objective on every kind of data that it supports: it trains, it resumes, it is refused."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch_geometric.data import Data

from formwright.datasets.airfoils.cst import coordinates
from formwright.datasets.atoms import mamun
from formwright.datasets.errors import (
    CheckpointError,
    ConfigError,
    CorpusError,
    ObjectiveError,
    ViewError,
)
from formwright.datasets.pde.runs import FieldRuns, alike_runs
from formwright.surrogate.airfoils.conditioned import Conditioned
from formwright.surrogate.airfoils.encoder import ContourMLP
from formwright.surrogate.airfoils.flow_pretexts import FlowMatch, FlowPredict
from formwright.surrogate.airfoils.flows import Flows
from formwright.surrogate.airfoils.hiding import Arcs
from formwright.surrogate.airfoils.named import section_views
from formwright.surrogate.airfoils.views import Incidence, ManufacturingNoise, PartialContour
from formwright.surrogate.atoms.cases import AtomCases
from formwright.surrogate.atoms.encoder import AtomGNN
from formwright.surrogate.atoms.task import structure_views
from formwright.surrogate.atoms.views import HideElements, Jiggle
from formwright.surrogate.checkpoints import load_weights
from formwright.surrogate.encoder import encoder_of
from formwright.surrogate.keeps import Keeps
from formwright.surrogate.objectives.barlow import BarlowTwins
from formwright.surrogate.objectives.byol import BYOL
from formwright.surrogate.objectives.compare import Variance
from formwright.surrogate.objectives.jepa import JEPA
from formwright.surrogate.objectives.loss import Target
from formwright.surrogate.objectives.siamese import Siamese
from formwright.surrogate.objectives.sigreg import LeJEPA
from formwright.surrogate.objectives.simclr import SimCLR
from formwright.surrogate.objectives.simsiam import SimSiam
from formwright.surrogate.objectives.vicreg import VICReg
from formwright.surrogate.objectives.visreg import VISReg
from formwright.surrogate.pde.encoder import FieldCNN
from formwright.surrogate.pde.named import Solved, run_views
from formwright.surrogate.pde.symmetries import Parity
from formwright.surrogate.pde.views import Amplitude, TimeLag
from formwright.surrogate.pretraining import pretrain as module
from formwright.surrogate.pretraining.denoising import Denoising
from formwright.surrogate.pretraining.hiding import Nodes, Patches
from formwright.surrogate.pretraining.masking import MaskedPrediction
from formwright.surrogate.pretraining.matching import ViewMatch
from formwright.surrogate.pretraining.pretrain import ENCODER, PretrainConfig, pretrain_network
from formwright.surrogate.rans.fields.grid import GridCNN
from formwright.surrogate.rans.fields.hiding import Cells
from formwright.surrogate.rans.fields.inputs import FEATURES
from formwright.surrogate.rans.fields.mesh import MeshGNN
from formwright.surrogate.rans.fields.panel_fields import PanelFields
from formwright.surrogate.rans.fields.pretraining import field_views
from formwright.surrogate.rans.fields.views import Graphs, JoinCells, OtherMesh
from formwright.surrogate.training.loop import Precision, TrainConfig

TWO_VIEWS = [
    VICReg(),
    BarlowTwins(),
    SimCLR(),
    Siamese(),
    LeJEPA(slices=8),
    VISReg(slices=8),
    BYOL(),
    SimSiam(),
    JEPA(),
    JEPA(target=Target.SHARED, variance=1.0, covariance=0.1),
]
SHARED_JEPA = TWO_VIEWS[-1]
CASES = 24


def slabs() -> AtomCases:
    rows = mamun.labelled("validation")[0]
    return AtomCases(mamun.build(rows[:: len(rows) // CASES][:CASES]))


def flows() -> Flows:
    generator = torch.Generator().manual_seed(0)
    base = torch.tensor([-0.15] * 4 + [0.2] * 4 + [0.0, 0.002], dtype=torch.float64)
    noise = 0.05 * torch.randn(CASES, 10, generator=generator, dtype=torch.float64)
    noise[:, 8:] = 0.0
    shape = (CASES, 3)
    alpha = 10 * torch.rand(shape, generator=generator, dtype=torch.float64)
    cp = alpha[..., None] * torch.linspace(-1, 1, 32, dtype=torch.float64)
    whole = torch.ones(shape, dtype=torch.float64)
    return Flows(
        pos=coordinates(base + noise, 30),
        conditions={"alpha_deg": alpha, "reynolds": 1e6 * whole, "ncrit": 9 * whole},
        fields={"cp_top": cp, "cp_bottom": -cp},
    )


def runs(*space: int) -> FieldRuns:
    generator = torch.Generator().manual_seed(0)
    return alike_runs(
        values=torch.randn(CASES, 6, 1, *space, generator=generator),
        spacing=(0.1,) * len(space),
        interval=0.5,
        start=0.0,
        labels={"viscosity": torch.rand(CASES, generator=generator)},
        names=("u",),
    )


def panel_fields() -> PanelFields:
    generator = torch.Generator().manual_seed(0)
    return PanelFields(
        features=torch.randn(CASES // 2, 2, 2, 12 * 4, len(FEATURES), generator=generator),
        alpha_deg=torch.rand(CASES // 2, 2, generator=generator),
        reynolds=torch.full((CASES // 2,), 3e6),
        vectors=torch.zeros(CASES // 2, 18),
        grid=torch.tensor([12, 4, 2]),
    )


def section_network() -> Conditioned:
    return Conditioned(ContourMLP(hidden=(16,), embedding=8), hidden=16, layers=1)


def field_network(dimensions: int) -> FieldCNN:
    return FieldCNN(dimensions=dimensions, frames=2, stages=(8, 8), embedding=8, point_channels=4)


KINDS = {
    "contours": (
        section_network,
        flows,
        (Incidence(count=2), PartialContour()),
        ("cl",),
        [
            *[FlowMatch(objective=o, projector=8) for o in TWO_VIEWS[:6]],
            FlowPredict(),
            MaskedPrediction(hiding=Arcs()),
            Denoising(sigma=1e-3, gradient=True),
            Denoising(sigma=1e-3, gradient=True, self_conditioned=True),
        ],
    ),
    "fields in 1-D": (
        lambda: field_network(1),
        lambda: runs(16),
        (TimeLag(frames=2), Parity()),
        ("viscosity",),
        [
            ViewMatch(objective=VICReg(), projector=8, variance=Variance.WITHIN, times=4),
            ViewMatch(objective=LeJEPA(slices=8), projector=8, variance=Variance.WITHIN, times=4),
            MaskedPrediction(hiding=Patches(side=2)),
            MaskedPrediction(hiding=Nodes(attribute="field")),
            MaskedPrediction(objective=JEPA(), hiding=Patches(side=2)),
            MaskedPrediction(objective=SHARED_JEPA, hiding=Patches(side=2)),
            Denoising(attribute="field", sigma=0.3),
            Denoising(attribute="field", sigma=0.3, self_conditioned=True),
        ],
    ),
    "fields in 2-D": (
        lambda: field_network(2),
        lambda: runs(8, 8),
        (TimeLag(equation="flow2d", frames=2),),
        ("viscosity",),
        [
            MaskedPrediction(hiding=Patches(side=4)),
            MaskedPrediction(objective=JEPA(), hiding=Patches(side=4)),
            Denoising(attribute="field", sigma=0.3),
        ],
    ),
    "flows around sections": (
        lambda: GridCNN(len(FEATURES), (6, 8)),
        panel_fields,
        (OtherMesh(), JoinCells(factors=(1, 2))),
        ("cl",),
        [
            MaskedPrediction(hiding=Cells(side=2)),
            MaskedPrediction(objective=JEPA(), hiding=Cells(side=2)),
        ],
    ),
    "flows on meshes": (
        lambda: MeshGNN(len(FEATURES), (6, 8), rounds=1),
        panel_fields,
        (OtherMesh(), JoinCells(factors=(1, 2)), Graphs(levels=2)),
        ("cl",),
        [MaskedPrediction(hiding=Cells(side=2))],
    ),
    "atoms": (
        lambda: AtomGNN(channels=8, layers=1, cutoff=3.5, radial=4, embedding=8),
        slabs,
        (Jiggle(sigma=0.02), HideElements()),
        ("e_ads_ev",),
        [
            MaskedPrediction(hiding=Nodes(attribute="z", share=0.15)),
            MaskedPrediction(objective=JEPA(), hiding=Nodes(attribute="z", share=0.4)),
            Denoising(sigma=0.1),
            Denoising(sigma=0.1, self_conditioned=True),
            Denoising(sigma=0.1, gradient=True),
            Denoising(sigma=0.1, gradient=True, self_conditioned=True),
        ],
    ),
}


def pretexts(kind: str) -> list:
    return [*(ViewMatch(objective=o, projector=8, predictor=8) for o in TWO_VIEWS), *KINDS[kind][4]]


def title(kind: str, pretext, number: int) -> str:
    objective = getattr(pretext, "objective", pretext)
    return f"{kind}-{pretext.kind}-{objective.kind}-{number}"


MATRIX = [
    pytest.param(kind, pretext, id=title(kind, pretext, number))
    for kind in KINDS
    for number, pretext in enumerate(pretexts(kind))
]


def settings(kind: str, pretext, **changes) -> PretrainConfig:
    _, _, views, labels, _ = KINDS[kind]
    loop = TrainConfig(
        steps=2,
        warmup_steps=1,
        log_every_steps=1,
        weight_decay=0.0,
        checkpoint_every_seconds=0.0,
        threads=1,
    )
    given = {"labels": labels, "pretext": pretext, "views": views, "batch_cases": 8, "train": loop}
    return PretrainConfig(**{**given, **changes})


def network(kind: str) -> nn.Module:
    torch.manual_seed(3)
    return KINDS[kind][0]()


class Stop(Exception):
    pass


@pytest.mark.parametrize(("kind", "pretext"), MATRIX)
def test_it_trains_reaches_the_encoder_and_resumes(kind, pretext, tmp_path, monkeypatch):
    data = KINDS[kind][1]()
    whole, cut = network(kind), network(kind)
    before = {k: v.clone() for k, v in encoder_of(whole).state_dict().items()}
    result = pretrain_network(whole, data, settings(kind, pretext), progress=False)
    assert all(math.isfinite(line["loss"]) for line in result.history)
    after = encoder_of(whole).state_dict()
    assert sum(not torch.equal(before[k], after[k]) for k in before) > len(before) // 2

    original = module._Step.__call__

    def until(self, model, step, generator):
        if step == 1:
            raise Stop
        return original(self, model, step, generator)

    with monkeypatch.context() as patch:
        patch.setattr(module._Step, "__call__", until)
        with pytest.raises(Stop):
            pretrain_network(cut, data, settings(kind, pretext), tmp_path, progress=False)
    again = network(kind)
    assert (
        pretrain_network(again, data, settings(kind, pretext), tmp_path, progress=False).steps == 2
    )
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    load_weights(encoder_of(network(kind)), tmp_path / ENCODER)


@pytest.mark.parametrize("kind", KINDS)
def test_it_trains_with_products_in_bfloat16(kind):
    data = KINDS[kind][1]()
    loop = TrainConfig(steps=1, log_every_steps=1, threads=1, precision=Precision.BFLOAT16)
    for pretext in pretexts(kind):
        trained = network(kind)
        result = pretrain_network(
            trained, data, settings(kind, pretext, train=loop), progress=False
        )
        assert math.isfinite(result.history[-1]["loss"]), pretext
        assert all(p.dtype is torch.float32 for p in trained.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_bad_input_is_a_named_error(kind, tmp_path):
    data = KINDS[kind][1]
    if kind != "contours":
        few = settings(kind, ViewMatch(projector=8), batch_cases=1)
        with pytest.raises(ObjectiveError, match="batch holds 1 case"):
            pretrain_network(network(kind), data(), few, progress=False)
    with pytest.raises(ViewError, match="does not say what it does to 'price'"):
        pretrain_network(network(kind), data(), settings(kind, ViewMatch(), labels=("price",)))
    good = settings(kind, ViewMatch(projector=8))
    pretrain_network(network(kind), data(), good, tmp_path, progress=False)
    with pytest.raises(CheckpointError, match="projector = 8 there, 4 asked"):
        pretrain_network(network(kind), data(), settings(kind, ViewMatch(projector=4)), tmp_path)


NAMED = {
    "contours": section_views(2),
    "fields in 1-D": run_views(Solved(equation="burgers", frames=2)),
    "fields in 2-D": run_views(Solved(equation="flow2d", frames=2, dimensions=2)),
    "flows around sections": field_views((1, 2)),
    "flows on meshes": {**field_views((1, 2)), "graphs": Graphs(levels=2)},
    "atoms": structure_views(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_views_and_encoders_take_pygs_data_in_place_of_a_batch(kind):
    own = KINDS[kind][1]().batch(torch.arange(4))
    named = dict(NAMED[kind])
    if kind == "fields in 2-D":
        del named["galilean"]
    for name, view in named.items():
        made = [
            view(case, torch.Generator().manual_seed(0)).to_dict()
            for case in (own.clone(), own.clone().to_data())
        ]
        assert made[0].keys() == made[1].keys(), name
        for key, value in made[0].items():
            assert not isinstance(value, torch.Tensor) or torch.equal(value, made[1][key]), name
    for view in KINDS[kind][2]:
        own = view(own, torch.Generator().manual_seed(0))
    model = network(kind).eval()
    found = [encoder_of(model)(case) for case in (own, own.to_data())]
    assert isinstance(own.to_data(), Data)
    assert torch.equal(found[0].per_case, found[1].per_case)


def test_a_forbidden_view_names_itself_and_the_label():
    views = (Incidence(count=2), ManufacturingNoise())
    asked = settings("contours", ViewMatch(), labels=("xtr_top",), views=views)
    with pytest.raises(ViewError, match="ManufacturingNoise is forbidden for 'xtr_top'"):
        pretrain_network(network("contours"), flows(), asked, progress=False)


def test_runs_without_pairs_in_time_and_false_symmetries_are_refused():
    kind = "fields in 1-D"
    asked = settings(kind, ViewMatch(), views=(TimeLag(frames=6),))
    with pytest.raises(ViewError, match="no pairs in time"):
        pretrain_network(network(kind), runs(16), asked, progress=False)
    asked = settings(kind, ViewMatch(), views=(TimeLag(frames=2), Amplitude()))
    with pytest.raises(ViewError, match="Amplitude is forbidden for 'viscosity'"):
        pretrain_network(network(kind), runs(16), asked, progress=False)


def test_nan_in_a_field_is_refused_where_it_enters_and_where_it_is_compared():
    values = runs(16).values
    values[3, 0, 0, 5] = math.nan
    with pytest.raises(CorpusError, match="not finite"):
        alike_runs(values=values, spacing=(0.1,), interval=1.0, start=0.0, labels={}, names=("u",))

    class Poison:
        joint, keeps = False, {"viscosity": Keeps.EXACT}

        def __call__(self, case, generator):
            cut = TimeLag(frames=2)(case, generator)
            cut.field[5] = math.nan
            return cut

    asked = settings("fields in 1-D", ViewMatch(projector=0), views=(Poison(),))
    with pytest.raises(ObjectiveError, match=r"not finite in row\(s\) \[0"):
        pretrain_network(network("fields in 1-D"), runs(16), asked, progress=False)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match="ContourMLP has none"):
        asked = settings("contours", MaskedPrediction(objective=JEPA(), hiding=Arcs()))
        pretrain_network(network("contours"), flows(), asked, progress=False)
    with pytest.raises(ConfigError, match="set gradient = true"):
        asked = settings("contours", Denoising())
        pretrain_network(network("contours"), flows(), asked, progress=False)
    with pytest.raises(ViewError, match="Patches needs cases on one grid"):
        pretrain_network(network("atoms"), slabs(), settings("atoms", MaskedPrediction()))
    with pytest.raises(ViewError, match=r"does not divide a grid of \(16,\)"):
        asked = settings("fields in 1-D", MaskedPrediction(hiding=Patches(side=5)))
        pretrain_network(network("fields in 1-D"), runs(16), asked, progress=False)
    with pytest.raises(ViewError, match="the cases have"):
        asked = settings("atoms", Denoising(attribute="velocity"))
        pretrain_network(network("atoms"), slabs(), asked, progress=False)
    with pytest.raises(ConfigError, match="not a multiple of 3"):
        within = ViewMatch(variance=Variance.WITHIN, times=3)
        asked = settings("fields in 1-D", within)
        pretrain_network(network("fields in 1-D"), runs(16), asked, progress=False)
