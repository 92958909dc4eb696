from __future__ import annotations

import numpy as np
import pytest
import torch

from formwright.datasets.atoms import mamun
from formwright.datasets.atoms.structures import Structure
from formwright.datasets.errors import CorpusError
from formwright.surrogate.atoms.cases import AtomCases
from formwright.surrogate.atoms.encoder import AtomGNN

ROWS = [
    mamun.Row(mamun.Alloy("L12", "Pt", "Ti"), "OH", "hollow|A_A_B|FCC"),
    mamun.Row(mamun.Alloy("A1", "Cu", "Cu"), "H", "top|A"),
    mamun.Row(mamun.Alloy("L10", "Ni", "Al"), "CH3", "bridge|A_B|A"),
]


@pytest.fixture(scope="module")
def structures() -> list[Structure]:
    return mamun.build(ROWS)


@pytest.fixture(scope="module")
def encoder() -> AtomGNN:
    torch.manual_seed(0)
    return AtomGNN(channels=8, layers=2, cutoff=4.5, radial=4, embedding=6).eval()


def test_any_rows_in_any_order_with_their_labels(structures):
    labels = {"e_ads_ev": [1.0, 2.0, 3.0], "level": [0, 1, 0]}
    cases = AtomCases(structures, labels)
    batch = cases.batch(torch.tensor([2, 0, 2]))
    assert len(cases) == 3
    assert batch["e_ads_ev"].tolist() == [3.0, 1.0, 3.0]
    assert batch["e_ads_ev"].dtype == torch.float32 and batch.level.dtype == torch.int64
    assert batch.level.tolist() == [0, 0, 0]
    assert batch.ptr.diff().tolist() == [16, 14, 16]
    assert batch["pos"].dtype == torch.float64 and "basis" not in batch
    np.testing.assert_array_equal(batch["pos"][:16].numpy(), structures[2].pos)


def test_prepared_cases_are_encoded_as_fresh_ones(structures, encoder):
    rows = torch.tensor([1, 2, 0, 1])
    prepared = AtomCases(structures, prepared_for=encoder).batch(rows)
    fresh = AtomCases(structures).batch(rows)
    assert "basis" in prepared
    with torch.no_grad():
        found, wanted = encoder(prepared), encoder(fresh)
    torch.testing.assert_close(found.per_case, wanted.per_case)
    torch.testing.assert_close(found.per_point, wanted.per_point)


def test_no_structures_and_labels_of_another_length_are_refused(structures):
    with pytest.raises(CorpusError, match="no structure"):
        AtomCases([])
    with pytest.raises(CorpusError, match="2 values of 'e_ads_ev' for 3 structures"):
        AtomCases(structures, {"e_ads_ev": [1.0, 2.0]})
