from __future__ import annotations

import re

import numpy as np
import pytest

from formwright.datasets.atoms.adsorbates import ADSORBATES, Adsorbate, adsorbate
from formwright.datasets.atoms.elements import covalent_radii
from formwright.datasets.errors import UnknownNameError

EACH = pytest.mark.parametrize("what", ADSORBATES.values(), ids=list(ADSORBATES))


@EACH
def test_a_name_is_the_formula(what: Adsorbate) -> None:
    counts: dict[str, int] = {}
    for symbol, count in re.findall(r"([A-Z][a-z]?)(\d*)", what.name):
        counts[symbol] = counts.get(symbol, 0) + int(count or 1)
    assert counts == {e: what.elements.count(e) for e in what.elements}


@EACH
def test_the_binding_atom_is_the_lowest(what: Adsorbate) -> None:
    assert what.pos[0] == (0.0, 0.0, 0.0)
    assert what.offsets.shape == (len(what.z), 3)
    assert (what.offsets[1:, 2] > 0.0).all()


@EACH
def test_bonds_are_chemical(what: Adsorbate) -> None:
    radii = covalent_radii().numpy()[what.z]
    apart = np.linalg.norm(what.offsets[:, None] - what.offsets, axis=2)
    scaled = apart / (radii[:, None] + radii)
    np.fill_diagonal(scaled, np.inf)
    if len(what.z) > 1:
        assert (scaled.min(1) < 1.15).all() and scaled.min() > 0.75
    joined = np.linalg.matrix_power((scaled < 1.25) + np.eye(len(what.z)), len(what.z))
    assert (joined > 0).all()


def test_intermediates_of_the_usual_reactions_are_there() -> None:
    assert {"H", "O", "OH", "OOH", "CO", "COOH", "CHO", "COH", "N", "NH", "NH2"} <= set(ADSORBATES)


def test_an_unknown_adsorbate_is_refused() -> None:
    assert adsorbate("OOH") is ADSORBATES["OOH"]
    with pytest.raises(UnknownNameError, match="'OHO'.*Did you mean.*Known: H, C"):
        adsorbate("OHO")
