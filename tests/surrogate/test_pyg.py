"""Surrogates answer PyG's ``Data``, joined by PyG's loader or not, as they answer our batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from formwright.datasets.airfoils.sections import naca
from formwright.datasets.atoms import mamun
from formwright.datasets.atoms.structures import collate
from formwright.datasets.cases import Batch, section_case
from formwright.surrogate.airfoils.panel import PanelSurrogate
from formwright.surrogate.airfoils.polar import PolarSurrogate
from formwright.surrogate.atoms.adsorption import AdsorptionSurrogate
from formwright.surrogate.model import Surrogate
from formwright.surrogate.rans.wall.surrogate import RansSurrogate


def sections() -> list[Batch]:
    conditions = {
        "alpha_deg": torch.tensor([0.0, 4.0]).double(),
        "reynolds": torch.tensor([1e6, 3e6]).double(),
    }
    return [section_case(naca(name).pos, conditions) for name in ("2412", "4412", "4415")]


def slabs() -> list[Batch]:
    rows = mamun.labelled("validation")[0]
    return [collate([one]) for one in mamun.build(rows[:3])]


SURROGATES = [
    pytest.param(PolarSurrogate, sections, id="polar"),
    pytest.param(PanelSurrogate, sections, id="panel"),
    pytest.param(RansSurrogate, sections, id="rans"),
    pytest.param(AdsorptionSurrogate, slabs, id="adsorption"),
]


@pytest.mark.parametrize(("build", "cases"), SURROGATES)
def test_a_surrogate_takes_pygs_data(
    build: Callable[[], Surrogate], cases: Callable[[], Sequence[Batch]]
) -> None:
    torch.manual_seed(0)
    surrogate, singles = build().eval(), cases()
    with torch.no_grad():
        alone = [surrogate(one) for one in singles]
        same = [surrogate(one.to_data()) for one in singles]
        (joined,) = DataLoader([one.to_data() for one in singles], batch_size=3)  # pyright: ignore
        together = surrogate(joined)
    assert isinstance(joined, Data)
    for label in surrogate.labels:
        expected = torch.cat([said[label.name] for said in alone])
        assert torch.equal(expected, torch.cat([said[label.name] for said in same]))
        torch.testing.assert_close(together[label.name], expected, rtol=1e-4, atol=1e-5)
