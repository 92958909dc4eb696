"""What the shipped surrogate of adsorption energies must call a guess, and what it must not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from formwright.datasets.atoms import mamun
from formwright.datasets.atoms.adsorbates import adsorbate
from formwright.datasets.atoms.bulks import bulk
from formwright.datasets.atoms.slabs.cut import cut, repeat
from formwright.datasets.atoms.slabs.placement import place
from formwright.datasets.atoms.slabs.sites import find_sites
from formwright.datasets.atoms.structures import ADSORBATE, Structure
from formwright.datasets.errors import CheckpointError
from formwright.surrogate import zoo
from formwright.surrogate.atoms.adsorption import AdsorptionSurrogate
from formwright.surrogate.atoms.alloy_rows import predict_rows
from formwright.surrogate.atoms.checks import checked
from formwright.surrogate.checkpoints import load_tensors, save_tensors

METALS = ("Pt", "Cu", "Ag", "Ni")
FLAGGED = 0.02
"""Share of valid structures that may be flagged."""


@pytest.fixture(scope="module")
def shipped() -> AdsorptionSurrogate:
    return zoo.load("adsorption-mamun")


@pytest.fixture(scope="module")
def held() -> tuple[list[Structure], np.ndarray]:
    rows, energies = mamun.labelled("validation")
    return mamun.build(rows[::2]), energies[::2]


def on(metal: str, name: str = "O", height: float | None = None, miller=(1, 1, 1)) -> Structure:
    slab = cut(bulk(metal, "A1"), miller)[0]
    return place(slab, find_sites(slab)[-1], adsorbate(name), height=height)


def stretched(one: Structure, by: float, along: tuple[int, ...] = (0, 1, 2)) -> Structure:
    size = np.ones(3)
    size[list(along)] = by
    binding = one.pos[one.tags == ADSORBATE][0]
    pos = one.pos * size
    own = one.tags == ADSORBATE
    pos[own] = binding * size + one.pos[own] - binding
    return dataclasses.replace(one, pos=pos, cell=one.cell * size)


NONSENSE = {
    "desorbed, 3 angstrom": lambda m, a: on(m, a, 3.0),
    "desorbed, 4 angstrom": lambda m, a: on(m, a, 4.0),
    "desorbed, 8 angstrom": lambda m, a: on(m, a, 8.0),
    "buried": lambda m, a: on(m, a, -1.1),
    "stretched": lambda m, a: stretched(on(m, a), 1.2),
    "stretched in the plane": lambda m, a: stretched(on(m, a), 1.2, (0, 1)),
    "facet (100)": lambda m, a: on(m, a, miller=(1, 0, 0)),
    "step (211)": lambda m, a: on(m, a, miller=(2, 1, 1)),
    "facet (110)": lambda m, a: on(m, a, miller=(1, 1, 0)),
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_is_flagged(shipped, kind):
    some = [NONSENSE[kind](metal, name) for metal in METALS for name in ("H", "O")]
    said = shipped.predict(some)
    assert (said["support"] > 1.0).all(), said["support"]


def test_an_interval_grows_with_the_height(shipped):
    said = shipped.predict([on("Pt", "H", height) for height in (1.0, 3.0, 5.0, 8.0)])
    half = 0.5 * (said["e_ads_ev_upper"] - said["e_ads_ev_lower"])
    assert said["support"][0] <= 1.0 and (np.diff(said["support"]) > 0.0).all()
    assert half[3] > 5.0 * half[0]


def test_two_atoms_apart_are_no_molecule(shipped):
    one = on("Pt", "OH")
    apart = one.pos.copy()
    apart[-1] = one.pos[-2] + 0.5 * (one.cell[0] + one.cell[1])
    said = shipped.predict([one, dataclasses.replace(one, pos=apart)])["support"]
    assert said[0] <= 1.0 < said[1]


def test_few_valid_structures_are_flagged(shipped, held):
    structures, energies = held
    said = shipped.predict(structures)
    assert 0.0 < (said["support"] > 1.0).mean() <= FLAGGED
    inside = (said["e_ads_ev_lower"] <= energies) & (energies <= said["e_ads_ev_upper"])
    assert 0.87 < inside.mean() < 0.95


def test_few_rattled_structures_are_flagged(shipped, held):
    rng = np.random.default_rng(0)
    some = [
        dataclasses.replace(one, pos=one.pos + rng.normal(0.0, 0.05, one.pos.shape))
        for one in held[0][::3]
    ]
    assert (shipped.predict(some)["support"] > 1.0).mean() <= FLAGGED


def test_a_wider_or_thicker_slab_is_no_other_kind(shipped):
    thick = cut(bulk("Pt", "A1"), layers=5)[0]
    for slab in (repeat(cut(bulk("Pt", "A1"))[0], (2, 2)), thick):
        some = [place(slab, site, adsorbate("O")) for site in find_sites(slab)]
        assert (shipped.predict(some)["support"] <= 1.0).all()


def test_intervals_of_pure_metals_hold_their_rows(shipped):
    rows, energies = mamun.labelled("train")
    pure = [i for i, row in enumerate(rows) if row.alloy.prototype == "A1"]
    said = shipped.predict(mamun.build([rows[i] for i in pure]))
    truth = energies[pure]
    inside = (said["e_ads_ev_lower"] <= truth) & (truth <= said["e_ads_ev_upper"])
    assert len(pure) == 893 and inside.mean() >= 0.8
    assert (said["support"] > 1.0).mean() <= FLAGGED


def test_rows_of_alloys_have_it_too(shipped):
    rows = [mamun.Row(mamun.Alloy("L12", "Pt", "Ti"), "OH", "hollow|A_A_B|FCC")]
    said, alone = predict_rows(shipped, rows), shipped.predict(mamun.build(rows))
    assert said.values["support"] == pytest.approx(alone["support"], rel=1e-6)
    assert not said.flags


def test_an_element_outside_is_flagged(shipped):
    one = on("Pt")
    strange = dataclasses.replace(one, z=np.where(one.z == 78, 60, one.z))
    _, remarks = checked(shipped, strange)
    assert "Nd: not in the training data" in remarks[0]


def test_it_is_saved_with_the_weights(shipped, tmp_path):
    path = tmp_path / zoo.FILE
    zoo.save(shipped, path)
    again = zoo.load(path)
    one = [on("Pt", "H", 4.0)]
    for name, column in shipped.predict(one).items():
        assert np.array_equal(again.predict(one)[name], column), name
    tensors, header = load_tensors(path)
    for name in ("support.slope", "support.tolerance", "support.axes", "support.limit"):
        save_tensors(path, {**tensors, name: 1.1 * tensors[name]}, header)
        with pytest.raises(CheckpointError, match="do not answer as they did"):
            zoo.load(path)


def test_older_weights_that_lack_it_are_loaded(shipped, tmp_path):
    path = tmp_path / zoo.FILE
    zoo.save(shipped, path)
    tensors, header = load_tensors(path)
    later = {name for name in tensors if name.startswith(("support.", "doubt_range"))}
    old = {name: value for name, value in tensors.items() if name not in later}
    header.pop("answers")
    save_tensors(path, old, header)
    loaded, one = zoo.load(path), [on("Pt", "H")]
    assert len(later) == 5 and not loaded.support.known
    said = loaded.predict(one)
    assert "support" not in said and said["e_ads_ev"] == shipped.predict(one)["e_ads_ev"]
    save_tensors(path, {n: v for n, v in old.items() if n != "mean.weight"}, header)
    with pytest.raises(CheckpointError, match="'mean.weight' is missing"):
        zoo.load(path)
