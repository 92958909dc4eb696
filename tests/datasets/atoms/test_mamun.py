from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formwright.datasets.atoms import mamun
from formwright.datasets.atoms.adsorbates import ADSORBATES
from formwright.datasets.atoms.mamun import Alloy, Row, build, labelled, lattice, split_of
from formwright.datasets.atoms.structures import Structure, check_slab
from formwright.datasets.errors import StructureError, UnknownNameError

ELEMENTS = st.sampled_from(mamun.metals())


def test_the_table_has_every_row_once() -> None:
    rows, energies = mamun.table()
    assert len(rows) == len(energies) == 32_766
    assert len(set(rows)) == len(rows)
    assert np.isfinite(energies).all() and -6.0 < energies.min() and energies.max() < 10.0
    assert {row.adsorbate for row in rows} == set(mamun.REACTIONS) <= set(ADSORBATES)
    assert len(mamun.metals()) == 37 and len(mamun.lattices()) == 37 + 36 * 37 + 18 * 37


def test_an_l10_alloy_has_one_name_and_its_letters_are_those_of_the_source() -> None:
    rows, energies = mamun.table()
    ordered = [row.alloy for row in rows if row.alloy.prototype == "L10"]
    assert len(ordered) == 10_352 and all(alloy.a < alloy.b for alloy in ordered)
    assert all(mamun.canonical(alloy) == alloy for alloy in ordered)
    assert mamun.canonical(Alloy("L10", "Ta", "Hg")) == Alloy("L10", "Hg", "Ta")
    by_row = dict(zip(rows, energies, strict=True))
    assert by_row[Row(Alloy("L10", "Hg", "Ta"), "O", "bridge|B_B|A")] == -2.099597


def test_either_name_of_an_l10_alloy_is_the_same_slab_turned_about() -> None:
    one, other = build(
        [Row(Alloy("L10", "Pt", "Cu"), "H", "hollow|A_A_B|FCC")]
        + [Row(Alloy("L10", "Cu", "Pt"), "H", "hollow|A_B_B|FCC")]
    )
    for element in ("Pt", "Cu"):
        near = [
            np.sort(distances_from_last(s)[np.array(s.elements) == element]) for s in (one, other)
        ]
        np.testing.assert_allclose(near[0][:4], near[1][:4], atol=1e-9)


def distances_from_last(one: Structure) -> np.ndarray:
    grid = np.array([(i, j, 0) for i in (-1, 0, 1) for j in (-1, 0, 1)]) @ one.cell
    return np.linalg.norm(one.pos[:, None] + grid - one.pos[-1], axis=-1).min(1)


def test_rows_without_an_ideal_site_are_listed_not_guessed() -> None:
    moved = mamun.moved()
    assert len(moved) == 270
    for row in moved[:3]:
        with pytest.raises(StructureError, match="has no site"):
            build([row])
    kept = sum(len(labelled(split)[0]) for split in ("train", "validation", "test"))
    assert kept + len(moved) == len(mamun.table()[0])


@settings(deadline=None, max_examples=50)
@given(first=ELEMENTS, second=ELEMENTS)
def test_a_split_does_not_know_the_order(first: str, second: str) -> None:
    assert split_of((first, second)) == split_of((second, first))
    assert split_of((first, first)) == "train"


def test_splits_share_no_pair() -> None:
    pairs = {split: set(mamun.pairs(labelled(split)[0])) for split in ("train", "validation")}
    pairs["test"] = set(mamun.pairs(labelled("test")[0]))
    assert not pairs["train"] & pairs["test"] and not pairs["validation"] & pairs["test"]
    assert not pairs["train"] & pairs["validation"]
    mixed = {split: len([p for p in found if p[0] != p[1]]) for split, found in pairs.items()}
    assert 0.05 < mixed["test"] / sum(mixed.values()) < 0.15
    assert 0.05 < mixed["validation"] / sum(mixed.values()) < 0.15


def test_labels_stay_with_their_rows() -> None:
    rows, energies = mamun.table()
    by_row = dict(zip(rows, energies, strict=True))
    found, values = labelled("test")
    assert all(by_row[row] == value for row, value in zip(found, values, strict=True))


@settings(deadline=None, max_examples=50)
@given(a=ELEMENTS, b=ELEMENTS, prototype=st.sampled_from(["A1", "L12", "L10"]))
def test_lattice_constants_are_those_of_a_metal(a: str, b: str, prototype: str) -> None:
    alloy = Alloy(prototype, a, b)
    if mamun.known_lattice(alloy) is None:
        with pytest.raises(StructureError, match="no lattice constants"):
            lattice(alloy)
        return
    assert (a == b) == (prototype == "A1")
    size, height = lattice(alloy)
    assert 2.9 < size < 5.9 and 0.70 < height / size < 1.42
    assert prototype == "L10" or size == height
    assert 8.0 < size**2 * height / 4 < 40.0
    assert prototype != "L10" or lattice(Alloy("L10", b, a)) == (size, height)


def test_every_alloy_of_the_table_has_a_lattice() -> None:
    assert all(mamun.known_lattice(alloy) for alloy in {row.alloy for row in mamun.table()[0]})
    pure = [mamun.known_lattice(Alloy("A1", metal, metal)) for metal in mamun.metals()]
    assert all(pure) and mamun.lattice(Alloy("A1", "Al", "Al")) == pytest.approx(
        (4.03, 4.03), abs=0.02
    )
    assert mamun.known_lattice(Alloy("A1", "Pt", "Cu")) is None


def test_rows_build_slabs_with_their_adsorbate() -> None:
    rows = [row for split in ("train", "test") for row in labelled(split)[0][::400]]
    for row, one in zip(rows, build(rows), strict=True):
        check_slab(one)
        adsorbed = ADSORBATES[row.adsorbate]
        assert one.elements[12:] == list(adsorbed.elements)
        assert list(one.z[:12]) == row.alloy.z * 3


def test_build_keeps_the_order() -> None:
    rows = labelled("test")[0][:24:4]
    together = build(rows)
    backwards = build(rows[::-1])[::-1]
    for one, other, row in zip(together, backwards, rows, strict=True):
        np.testing.assert_array_equal(one.pos, other.pos)
        np.testing.assert_array_equal(one.pos, build([row])[0].pos)


def test_names_of_alloys() -> None:
    assert Alloy("A1", "Pt", "Pt").name == "Pt"
    assert Alloy("L12", "Pt", "Ti").name == "Pt3Ti"
    assert Alloy("L10", "Pt", "Cu").name == "PtCu" and Alloy("L10", "Pt", "Cu").pair == ("Cu", "Pt")


def test_reactions_balance() -> None:
    sizes = {"H2(g)": {"H": 2}, "N2(g)": {"N": 2}, "CH4(g)": {"C": 1, "H": 4}}
    sizes |= {"H2O(g)": {"H": 2, "O": 1}, "H2S(g)": {"H": 2, "S": 1}}
    for name, reaction in mamun.REACTIONS.items():
        left, right = reaction.replace(" - ", " + -").split(" -> ")
        total = dict.fromkeys("HCNOS", 0.0)
        for term in left.split(" + "):
            molecule = next((m for m in sizes if term.endswith(m)), None)
            if molecule is None:
                assert term == "*"
                continue
            count = term.removesuffix(molecule)
            for element, atoms in sizes[molecule].items():
                total[element] += {"": 1.0, "-": -1.0}.get(count) or float(count) * atoms
                if count in ("", "-"):
                    total[element] += (atoms - 1) * (1.0 if not count else -1.0)
        elements = list(ADSORBATES[name].elements)
        assert right == f"{name}*"
        assert total == {e: pytest.approx(elements.count(e)) for e in total}


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="'Xx'.*Known: Ag, Al"):
        lattice(Alloy("L12", "Pt", "Xx"))
    with pytest.raises(UnknownNameError, match="'L11'.*Did you mean 'L12'"):
        lattice(Alloy("L11", "Pt", "Ti"))
    with pytest.raises(UnknownNameError, match="'OHH'.*Did you mean"):
        build([Row(Alloy("A1", "Pt", "Pt"), "OHH", "top|A")])
    with pytest.raises(StructureError, match=r"'hollow\|A_A_B\|FCC'"):
        build([Row(Alloy("A1", "Pt", "Pt"), "H", "hollow|A_A_B|FCC")])


@pytest.mark.parametrize("site", ["hollow|A_A_B|FCC", "bridge|B_B|A", "bridge|A_B|B", "top|A"])
def test_the_other_spelling_of_a_row_is_the_same_row(site: str) -> None:
    own = Row(Alloy("L10", "Cu", "Pt"), "H", site)
    other = Row(Alloy("L10", "Pt", "Cu"), "H", mamun.exchanged(site))
    assert other != own and mamun.exchanged(mamun.exchanged(site)) == site
    assert mamun.canonical_row(other) == mamun.canonical_row(own) == own
    one, same = build([own, other])
    assert one.name == same.name == str(own) and np.array_equal(one.pos, same.pos)
    assert one.elements == same.elements


def test_only_l10_has_two_spellings() -> None:
    for alloy in (Alloy("L12", "Pt", "Cu"), Alloy("A1", "Pt", "Pt"), Alloy("L10", "Pt", "Pt")):
        row = Row(alloy, "H", "top|A")
        assert mamun.canonical_row(row) is row
