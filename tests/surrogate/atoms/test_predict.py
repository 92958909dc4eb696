"""What users hold of atoms, predicted: structures of this package, of ASE and of pymatgen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase import Atom, Atoms
from ase.build import add_adsorbate, fcc111

from formwright.datasets.atoms.structures import Structure, from_ase
from formwright.datasets.errors import ConfigError, StructureError, UnknownNameError
from formwright.surrogate import zoo
from formwright.surrogate.atoms.adsorption import AdsorptionSurrogate


@pytest.fixture(scope="module")
def shipped() -> AdsorptionSurrogate:
    return zoo.load("adsorption-mamun")


def slab(metal: str = "Pt", of: str = "O", tags: bool = True) -> Atoms:
    made = fcc111(metal, (2, 2, 4), vacuum=8)
    add_adsorbate(made, of, 1.2, "fcc")
    made.pbc = True
    if tags:
        made.set_tags([0] * 12 + [1] * 4 + [2])
    return made


def test_one_alone_is_a_number_and_a_list_is_a_column(shipped) -> None:
    alone, listed = shipped.predict(slab()), shipped.predict([slab(), slab("Cu")])
    assert alone["e_ads_ev"].shape == () and listed["e_ads_ev"].shape == (2,)
    assert float(alone["e_ads_ev"]) == pytest.approx(listed["e_ads_ev"][0], abs=1e-5)
    assert alone["e_ads_ev_lower"] < alone["e_ads_ev"] < alone["e_ads_ev_upper"]
    assert alone.units["e_ads_ev_std"] == "eV" and listed.about["name"].shape == (2,)
    assert "[eV]" in repr(alone)


def test_ase_and_pymatgen_say_what_ours_say(shipped) -> None:
    adaptor = pytest.importorskip("pymatgen.io.ase").AseAtomsAdaptor
    atoms = slab()
    crystal = adaptor.get_structure(atoms)
    crystal.add_site_property("tags", atoms.get_tags().tolist())
    want = shipped.predict(from_ase(atoms))["e_ads_ev"]
    said = shipped.predict(given for given in (atoms, crystal, from_ase(atoms)))
    np.testing.assert_allclose(said["e_ads_ev"], want, atol=2e-5)
    assert said.flags.tolist() == ["", "", ""]


def test_layer_numbers_are_no_adsorbate(shipped) -> None:
    want = shipped.predict(slab())["e_ads_ev"]
    layers = slab(tags=False)
    assert set(layers.get_tags()[:16]) == {1, 2, 3, 4}
    for given in (layers, from_ase(layers)):
        said = shipped.predict(given)
        assert said["e_ads_ev"] == pytest.approx(want, abs=2e-5) and not said.flags.item()


def test_tags_that_are_guessed_and_strange_elements_are_flagged(shipped) -> None:
    bare = slab()
    bare.set_tags(np.zeros(17, int))
    ours = from_ase(slab("Cu"))
    strange = replace(ours, z=np.where(ours.z == 29, 60, ours.z))
    said = shipped.predict([bare, strange, ours])
    assert "has no tags that tell its adsorbate; taken for it: O 16" in said.flags[0]
    assert "Nd: not in the training data" in said.flags[1]
    assert said["unknown_elements"].tolist() == [False, True, False]
    assert said["support"][1] > 1.0 or not shipped.support.known


WRONG = [
    ([slab(), 3], "structure 1 is none: '3' of type int"),
    ("slab.extxyz", "'slab.extxyz' of type str is no structure.*read_structures"),
    (None, "of type NoneType is no structure"),
    ([Atom("O")], "structure 0 is none.*of type Atom"),
    ([slab(), Atoms("X", [[0, 0, 0]])], "structure 1, of type Atoms:.*atomic number 0"),
    ([Atoms("PtO", [[0, 0, 0], [0, 0, 0.1]], cell=[9, 9, 30], pbc=True)], "structure 0:"),
]


@pytest.mark.parametrize(("given", "told"), WRONG)
def test_what_is_no_structure_is_named_with_type_and_place(shipped, given, told) -> None:
    with pytest.raises(StructureError, match=told):
        shipped.predict(given)


def test_an_adsorbate_that_was_not_learned_is_refused_by_place(shipped) -> None:
    with pytest.raises(UnknownNameError, match="structure 1: the adsorbate's atoms"):
        shipped.predict([slab(), slab(of="Cl")])


def test_an_energy_has_no_fields(shipped) -> None:
    with pytest.raises(ConfigError, match="no fields"):
        shipped.predict([slab()], fields=True)


def test_nothing_has_the_same_columns(shipped) -> None:
    none: list[Structure] = []
    assert list(shipped.predict(none)) == list(shipped.predict(slab()))
