from __future__ import annotations

import warnings

import numpy as np
import pytest
from ase import Atoms
from ase.build import (
    add_adsorbate,
    bulk,
    fcc100,
    fcc111,
    fcc211,
    graphene,
    hcp0001,
    molecule,
    mx2,
    surface,
)

from formwright.datasets.atoms.slabs.surface_atoms import (
    TagWarning,
    check_whole,
    has_layers,
    marked,
    tag,
    with_tags,
)
from formwright.datasets.atoms.structures import from_ase
from formwright.datasets.errors import StructureError


def bare(atoms: Atoms):
    atoms.set_tags(0)
    return from_ase(atoms)


def count(one, value: int) -> int:
    return int((one.tags == value).sum())


@pytest.mark.parametrize(
    ("atoms", "expected"),
    [
        (fcc111("Pt", (2, 2, 4), vacuum=8), 4),
        (fcc100("Cu", (2, 3, 3), vacuum=8), 6),
        (hcp0001("Ru", (3, 3, 3), vacuum=8), 9),
        (fcc211("Ag", (3, 2, 3), vacuum=8), 6),
    ],
)
def test_surface_layer(atoms, expected):
    one = with_tags(bare(atoms), np.zeros(len(atoms), bool))
    assert count(one, 1) == expected and count(one, 2) == 0
    top = np.argsort(-atoms.positions[:, 2])[:expected]
    assert (one.tags[top] == 1).all()


def test_adsorbate_does_not_cover_and_moves_nothing():
    slab = fcc111("Pt", (2, 2, 3), vacuum=8)
    add_adsorbate(slab, molecule("CO"), 1.8, "ontop")
    marked = np.isin(slab.numbers, [6, 8])
    one = with_tags(bare(slab), marked)
    assert (count(one, 0), count(one, 1), count(one, 2)) == (8, 4, 2)
    np.testing.assert_array_equal(one.pos, slab.positions)


def test_upside_down_wrapped_and_turned():
    slab = fcc111("Pt", (2, 2, 3), vacuum=8)
    add_adsorbate(slab, "O", 1.2, "fcc")
    slab.pbc = True
    expected = with_tags(bare(slab), slab.numbers == 8).tags
    turned = slab.copy()
    turned.rotate(37, (1, 2, 3), rotate_cell=True)
    wrapped = slab.copy()
    wrapped.positions[:, 2] += 14.0
    wrapped.wrap()
    below = slab.copy()
    below.positions[:, 2] *= -1
    for other in (turned, wrapped, below):
        np.testing.assert_array_equal(with_tags(bare(other), other.numbers == 8).tags, expected)


def test_tag_guesses_and_says_so():
    slab = fcc111("Pt", (2, 2, 3), vacuum=8)
    add_adsorbate(slab, molecule("OH"), 1.8, "ontop")
    with pytest.warns(TagWarning, match="O 12, H 13"):
        one = tag(bare(slab))
    assert set(np.flatnonzero(one.tags == 2)) == {12, 13}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = tag(one)
    for name in ("pos", "cell", "tags"):
        np.testing.assert_array_equal(getattr(again, name), getattr(one, name))


def test_oxide_keeps_its_oxygen():
    slab = surface(bulk("MgO", "rocksalt", a=4.21, cubic=True), (0, 0, 1), 4, vacuum=8)
    clean = len(slab)
    slab += Atoms("H", positions=[slab.positions[slab.positions[:, 2].argmax()] + [0, 0, 1.0]])
    slab.pbc = True
    with pytest.warns(TagWarning, match=f"H {clean}"):
        one = tag(bare(slab))
    assert np.flatnonzero(one.tags == 2).tolist() == [clean]


def test_clean_slab_has_no_adsorbate():
    with pytest.warns(TagWarning, match="none"):
        one = tag(bare(fcc111("Pt", (1, 1, 3), vacuum=8)))
    assert count(one, 2) == 0 and count(one, 1) == 1


def test_refusals():
    with pytest.raises(StructureError, match="no metal"):
        tag(bare(molecule("CH4")))
    with pytest.raises(StructureError, match="no cell"):
        with_tags(bare(molecule("CH4")), np.zeros(5, bool))


def layered(layers: int, adsorbate: str = "O", metal: str = "Cu") -> Atoms:
    made = fcc111(metal, (2, 2, layers), vacuum=8)
    if adsorbate:
        add_adsorbate(made, adsorbate, 1.2, "fcc")
    return made


@pytest.mark.parametrize("layers", [1, 2, 3, 5])
def test_layer_numbers_of_ase_are_told(layers):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one = tag(from_ase(layered(layers)))
    assert np.flatnonzero(one.tags == 2).tolist() == [4 * layers]
    assert np.flatnonzero(one.tags == 1).tolist() == list(range(4 * layers - 4, 4 * layers))
    upside_down = layered(layers)
    upside_down.positions[:, 2] *= -1.0
    np.testing.assert_array_equal(tag(from_ase(upside_down)).tags, one.tags)


@pytest.mark.parametrize("layers", [2, 3])
def test_a_bare_slab_with_layer_numbers_has_no_adsorbate(layers):
    given = from_ase(layered(layers, ""))
    assert has_layers(given) and not marked(given).any()
    one = tag(given)
    assert count(one, 2) == 0 and count(one, 1) == 4


def test_tags_of_the_house_are_not_taken_for_layers():
    made = layered(3)
    made.set_tags([0] * 8 + [1] * 4 + [2])
    assert not has_layers(from_ase(made)) and tag(from_ase(made)).tags.tolist()[-1] == 2
    made.set_tags([1] * 12 + [2])
    assert not has_layers(from_ase(made))
    adatom = fcc111("Pt", (2, 2, 2), vacuum=8)
    add_adsorbate(adatom, "Cu", 2.0, "fcc")
    adatom.set_tags([1] * 8 + [2])
    assert not has_layers(from_ase(adatom))


def test_numbers_that_are_no_layers_are_not_believed():
    made = layered(3)
    made.set_tags([7, 3, 5, 1] * 3 + [0])
    with pytest.warns(TagWarning, match="O 12"):
        one = tag(from_ase(made))
    assert set(one.tags.tolist()) == {0, 1, 2}


def test_no_metal_surface():
    sulphide = mx2("MoS2", "2H", a=3.18, thickness=3.19, size=(3, 3, 1), vacuum=8)
    sulphide.pbc = True
    with pytest.raises(StructureError, match="no metal surface: S is part of the slab"):
        tag(bare(sulphide))
    sheet = graphene(size=(4, 4, 1), vacuum=8)
    sheet.pbc = True
    sheet.symbols[5] = "Fe"
    sheet += Atoms("O", positions=[sheet.positions[5] + [0.0, 0.0, 1.65]])
    with pytest.raises(StructureError, match="no metal surface: 31 non-metal atoms"):
        tag(bare(sheet))


def test_an_adsorbate_is_one_piece():
    made = fcc111("Pt", (3, 3, 3), vacuum=8)
    add_adsorbate(made, molecule("OH"), 1.8, "ontop")
    made.set_tags(np.where(made.numbers < 9, 2, 0))
    check_whole(from_ase(made))
    made.positions[-1] += [4.0, 0.0, 0.0]
    with pytest.raises(StructureError, match="2 pieces that no bond joins: O 27; H 28"):
        check_whole(from_ase(made))
