from __future__ import annotations

import numpy as np
import pytest
import torch

from formwright.datasets.atoms.bulks import TABLE, alloys, bulk, lattice_of, of_alloy
from formwright.datasets.atoms.mamun import Alloy, lattices
from formwright.datasets.atoms.slabs import ordered
from formwright.datasets.atoms.slabs.cut import cut, repeat
from formwright.datasets.atoms.slabs.placement import place, species
from formwright.datasets.atoms.slabs.sites import SlabSite, all_sites, find_sites
from formwright.datasets.atoms.structures import (
    Structure,
    check_slab,
    structure,
    structures_of,
    vacuum,
)
from formwright.datasets.errors import StructureError, UnknownNameError

ALLOYS = [
    Alloy("A1", "Pt", "Pt"),
    Alloy("L12", "Pt", "Ti"),
    Alloy("L12", "La", "Fe"),
    *[one for one, (a, c, _) in lattices().items() if one.prototype == "L10" and c > 0.8 * a][::60],
]


def site_of(slab: Structure, label: str) -> SlabSite:
    (site,) = (site for site in find_sites(slab) if site.label == label)
    return site


def mamun_slab(alloy: Alloy) -> Structure:
    found = lattice_of(alloy)
    a, c = (torch.tensor([size], dtype=torch.float64) for size in (found.a, found.c))
    return structures_of(ordered.slabs(a, c, torch.tensor([alloy.z])))[0]


def in_symbols(label: str, alloy: Alloy) -> str:
    kind, around, *last = label.split("|")
    element = {"A": alloy.a, "B": alloy.b}
    names = "_".join(sorted(element[letter] for letter in around.split("_")))
    return "|".join([kind, names, *(element.get(part, part) for part in last)])


@pytest.mark.parametrize("alloy", ALLOYS, ids=lambda alloy: alloy.name)
def test_sites_of_ordered_slabs_have_their_labels(alloy: Alloy) -> None:
    slab = mamun_slab(alloy)
    wanted = {in_symbols(label, alloy) for label in ordered.site_labels(alloy.prototype)}
    found = find_sites(slab)
    assert {site.label.split("#")[0] for site in found} == wanted
    assert alloy.prototype == "L10" or len(found) == len(wanted)
    kinds = [site.kind for site in all_sites(slab)]
    assert [kinds.count(kind) for kind in ("top", "bridge", "hollow")] == [4, 12, 8]


@pytest.mark.parametrize("label", ["top|B", "bridge|A_B|A", "hollow|A_A_B|FCC"])
def test_an_adsorbate_is_placed_as_in_ordered(label: str) -> None:
    alloy = ALLOYS[1]
    found = lattice_of(alloy)
    size = torch.tensor([found.a], dtype=torch.float64)
    site, what = ordered.find_site(label, "L12"), species("OH")
    (peer,) = structures_of(ordered.slabs(size, size, torch.tensor([alloy.z]), site, what))
    slab = mamun_slab(alloy)
    mine = place(slab, site_of(slab, in_symbols(label, alloy)), "OH")
    apart = mine.pos[12:, 2] - mine.pos[11, 2], peer.pos[12:, 2] - peer.pos[11, 2]
    np.testing.assert_allclose(*apart, atol=1e-9)
    assert mine.tags.tolist() == peer.tags.tolist()
    assert mine.fixed.tolist() == peer.fixed.tolist()


@pytest.mark.parametrize(
    ("name", "miller", "ends", "atoms", "area"),
    [
        ("Pt", (1, 1, 1), 1, 12, 4 * 3**0.5 / 4),
        ("Pt", (1, 0, 0), 1, 12, 2.0),
        ("Pt", (2, 1, 1), 1, 18, 2 * 6**0.5 / 2),
        ("Fe", (1, 1, 0), 1, 12, 4 * 2**0.5 / 2),
        ("Pt3Ti", (1, 0, 0), 2, 24, 4.0),
        ("Ru", (1, 0, -1, 0), 2, 12, 2 * 1.584),
    ],
)
def test_slabs_of_known_surfaces(
    name: str, miller: tuple[int, ...], ends: int, atoms: int, area: float
) -> None:
    crystal = bulk(name)
    made = cut(crystal, miller)
    assert len(made) == ends
    for slab in made:
        assert len(slab) == atoms
        cell = slab.cell
        assert cell[0, 1] == pytest.approx(0.0, abs=1e-9) and cell[0, 0] > 0.0
        assert np.abs(cell[:2, 2]).max() < 1e-9 and np.abs(cell[2, :2]).max() < 1e-9
        assert np.linalg.det(cell[:2, :2]) / crystal.cell[0, 0] ** 2 == pytest.approx(
            area, rel=2e-3
        )
        assert vacuum(slab) == pytest.approx(16.0)
        assert not slab.fixed[slab.tags == 1].any() and slab.fixed.sum() == atoms * 2 // 3
        assert slab.pos[slab.tags == 1, 2].mean() > slab.pos[slab.tags == 0, 2].max()


def test_a_polar_crystal_ends_in_either_element() -> None:
    made = cut(bulk("MgO", "B1", a=4.21), (1, 1, 1))
    tops = [{slab.elements[i] for i in np.flatnonzero(slab.tags)} for slab in made]
    assert sorted(tops, key=sorted) == [{"Mg"}, {"O"}]


def test_the_cut_slab_is_the_ordered_one() -> None:
    alloy = Alloy("L12", "Pt", "Ti")
    (mine,), peer = cut(of_alloy(alloy)), mamun_slab(alloy)
    np.testing.assert_allclose(mine.cell, peer.cell, atol=1e-6)
    labels = [{site.label for site in find_sites(one)} for one in (mine, peer)]
    assert labels[0] == labels[1]
    np.testing.assert_allclose(np.sort(mine.pos[:, 2]), np.sort(peer.pos[:, 2]), atol=1e-6)


def test_layers_and_thickness() -> None:
    assert len(cut(bulk("Cu"), (1, 1, 1), layers=5, supercell=(1, 1), fixed_layers=0)[0]) == 5
    (thick,) = cut(bulk("Cu"), (1, 0, 0), thickness=7.0, supercell=(1, 1))
    assert np.ptp(thick.pos[:, 2]) > 5.0 and len(thick) == 4
    assert len(repeat(thick, (2, 3))) == 24


def test_sites_of_a_square_and_of_a_stepped_surface() -> None:
    labels = [site.label for site in find_sites(cut(bulk("Pt"), (1, 0, 0))[0])]
    assert labels == ["top|Pt", "bridge|Pt_Pt|Pt", "hollow|Pt_Pt_Pt_Pt"]
    stepped = find_sites(cut(bulk("Pt"), (2, 1, 1))[0])
    assert len({site.label for site in stepped}) == len(stepped)
    assert sum(site.kind == "top" for site in stepped) == 3


@pytest.mark.parametrize("name", ["CO2", "CH3OH", "C6H6", "NH3"])
def test_any_molecule_stands_clear_of_the_slab(name: str) -> None:
    slab = cut(bulk("Pt"), supercell=(3, 3))[0]
    for site in find_sites(slab):
        made = place(slab, site, name)
        check_slab(made)
        assert (made.pos[made.tags == 2, 2] > slab.pos[:, 2].max()).all()


def test_own_atoms_bind_as_told_and_turn() -> None:
    slab = cut(bulk("Pt"))[0]
    site = site_of(slab, "top|Pt")
    water = structure(["H", "O", "H"], [[0.0, 0.76, -0.6], [0.0, 0.0, 0.0], [0.0, -0.76, -0.6]])
    made = place(slab, site, water, binding=1, height=2.3)
    assert made.elements[12:] == ["O", "H", "H"]
    assert made.pos[12] == pytest.approx(site.position + [0.0, 0.0, 2.3])
    assert (made.pos[13:, 2] > made.pos[12, 2] + 0.5).all()
    turned = place(slab, site, water, binding=1, height=2.3, turn_deg=90.0)
    before, after = (one.pos[13] - one.pos[12] for one in (made, turned))
    assert after == pytest.approx([-before[1], before[0], before[2]])


def test_all_alloys_of_some_elements() -> None:
    made = list(alloys(["Pt", "Pd", "Cu", "Pt"]))
    assert len(made) == len(set(made)) == 3 + 6 + 3
    assert {one.name for one in made if one.prototype == "L12"} >= {"Pt3Pd", "Pd3Pt"}
    assert all(lattice_of(one).source == TABLE for one in made)
    with pytest.raises(UnknownNameError, match="'L11'"):
        list(alloys(["Pt"], ["L11"]))
    with pytest.raises(StructureError, match="'O' is no metal"):
        list(alloys(["Pt", "O"]))


def test_vegard_is_flagged_and_near() -> None:
    unknown = lattice_of(Alloy("L12", "Pt", "Mg"))
    assert unknown.estimated and 3.9 < unknown.a < 4.2 and unknown.a == unknown.c
    cerium = lattice_of(Alloy("A1", "Ce", "Ce"))
    assert cerium.estimated and cerium.a == pytest.approx(5.16, rel=0.03)
    nickel = lattice_of(Alloy("A1", "Ni", "Ni"))
    assert not nickel.estimated and nickel.a == pytest.approx(3.52, rel=0.01)
    assert not lattice_of(Alloy("L10", "Cu", "Au")).estimated
    assert lattice_of(Alloy("L10", "Cu", "Au")) == lattice_of(Alloy("L10", "Au", "Cu"))


def test_bulks_by_name() -> None:
    assert len(bulk("Fe")) == 2 and len(bulk("Si")) == 8 and len(bulk("Zn")) == 2
    assert bulk("PtTi3").z.tolist() == [78, 22, 22, 22]
    assert bulk("Fe", "A1").cell[0, 0] == pytest.approx(lattices()[Alloy("A1", "Fe", "Fe")][0])
    for wrong, kind in [("Pt2Ti", ""), ("PtTi", "L12"), ("Fe", "A4"), ("MgO", "B1"), ("pt", "")]:
        with pytest.raises(StructureError, match=repr(wrong) if wrong != "Fe" else "Fe"):
            bulk(wrong, kind) if wrong != "MgO" else bulk("'MgO'", kind)
    with pytest.raises(UnknownNameError, match="'D03'"):
        bulk("Fe", "D03")


def test_bad_input_is_named() -> None:
    slab = cut(bulk("Pt"))[0]
    with pytest.raises(StructureError, match=r"\(0, 0, 0\) is no Miller index"):
        cut(bulk("Pt"), (0, 0, 0))
    with pytest.raises(StructureError, match="overlap"):
        place(slab, site_of(slab, "top|Pt"), "H", height=0.1)
    with pytest.raises(UnknownNameError, match="'CH3OHH'.*Did you mean 'CH3OH'"):
        species("CH3OHH")
    with pytest.raises(StructureError, match="atom 9 was to bind"):
        species("CO2", binding=9)
    bare = structure(["Pt"], [[0.0, 0.0, 0.0]], np.eye(3) * 9.0, tags=[0])
    with pytest.raises(StructureError, match="0 surface atom"):
        find_sites(bare)
