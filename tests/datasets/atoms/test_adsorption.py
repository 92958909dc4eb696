from __future__ import annotations

import dataclasses
import gzip
from pathlib import Path

import numpy as np
import pytest

from formwright.datasets.atoms.adsorption import (
    AdsorptionSet,
    read_gamenet,
    read_wwl,
    read_xu_kitchin,
)
from formwright.datasets.atoms.reactions import check_same, composition
from formwright.datasets.atoms.structures import check_slab
from formwright.datasets.errors import ReactionError, StructureError

SAMPLES = Path(__file__).parent / "samples"
READERS = [
    (read_wwl, "wwl.extxyz", 4),
    (read_gamenet, "gamenet.extxyz", 4),
    (read_xu_kitchin, "xu_kitchin.extxyz", 3),
]


@pytest.mark.parametrize(("read", "file", "count"), READERS)
def test_every_set(read, file, count):
    found: AdsorptionSet = read(SAMPLES / file)
    assert len(found) == count == len(set(one.name for one in found.structures))
    assert found.licence and found.citation and np.isfinite(found.e_ads_ev).all()
    check_same(found.reactions)
    for one, stated in zip(found.structures, found.reactions, strict=True):
        check_slab(one)
        assert set(one.tags.tolist()) == {0, 1, 2}
        marked = [e for e, t in zip(one.elements, one.tags, strict=True) if t == 2]
        assert set(marked) == set(stated.atoms)
        if found.name != "xu-kitchin-111":
            assert {e: marked.count(e) for e in marked} == stated.atoms


def test_wwl():
    found = read_wwl(SAMPLES / "wwl.extxyz")
    assert found.adsorbates == ("CO", "CH", "O", "OH")
    assert found.groups == ("Au", "AgAu", "Co", "Ag")
    assert found.e_ads_ev.tolist() == [2.723, 4.256, -0.062, 0.632]
    assert str(found.reactions[0]) == "CH4(g) + H2O(g) - 3.0H2(g) + * -> CO*"
    assert [one.name for one in found.structures][2] == "O/Co(0001)/bridge2-s"
    assert [int((one.tags == 1).sum()) for one in found.structures] == [9, 6, 15, 9]
    assert [int(one.fixed.sum()) for one in found.structures] == [18, 18, 0, 18]
    assert not found.structures[0].pbc[2]


def test_gamenet():
    found = read_gamenet(SAMPLES / "gamenet.extxyz")
    assert found.groups == ("Ag", "Pt", "Pt", "Cu")
    assert found.adsorbates[1:3] == ("C3H6O[group2 3611-a]", "C3H6O[group2b 3611-a]")
    assert composition(found.adsorbates[0]) == {"C": 1, "H": 3, "N": 1, "O": 1}
    for one in found.structures:
        assert int((one.tags == 1).sum()) == 12 and int(one.fixed.sum()) == 24
        assert one.pos[one.fixed, 2].max() < one.pos[one.tags == 1, 2].min()


def test_xu_kitchin():
    found = read_xu_kitchin(SAMPLES / "xu_kitchin.extxyz")
    assert found.adsorbates == ("F", "N", "C") and set(found.groups) == {"Pt"}
    assert [int((one.tags == 2).sum()) for one in found.structures] == [1, 3, 1]
    assert str(found.reactions[0]) == "F(g) + * -> F*"


def test_sets_do_not_mix():
    reactions = [r for read, file, _ in READERS for r in read(SAMPLES / file).reactions]
    with pytest.raises(ReactionError, match="levels of theory"):
        check_same(reactions)


def test_subset():
    found = read_wwl(SAMPLES / "wwl.extxyz")
    part = found.subset(np.array([2, 0]))
    assert part.groups == ("Co", "Au") and part.e_ads_ev.tolist() == [-0.062, 2.723]
    assert part.structures[0] is found.structures[2]


def test_zipped(tmp_path):
    with gzip.open(tmp_path / "wwl.extxyz.gz", "wb") as handle:
        handle.write((SAMPLES / "wwl.extxyz").read_bytes())
    assert len(read_wwl(tmp_path / "wwl.extxyz.gz")) == 4


def test_another_set_is_refused():
    with pytest.raises(StructureError, match="frame 0, is not of the set 'wwl-simple'.*adsorbate"):
        read_wwl(SAMPLES / "gamenet.extxyz")
    with pytest.raises(StructureError, match="is not of the set 'wwl-simple'"):
        read_wwl(SAMPLES / "xu_kitchin.extxyz")


def test_a_damaged_file_is_named(tmp_path):
    text = (SAMPLES / "wwl.extxyz").read_text().splitlines()
    (tmp_path / "cut.extxyz").write_text("\n".join(text[: len(text) - 5]))
    with pytest.raises(StructureError, match="cut.extxyz"):
        read_wwl(tmp_path / "cut.extxyz")


def test_uneven_columns_are_refused():
    found = read_wwl(SAMPLES / "wwl.extxyz")
    with pytest.raises(StructureError, match="3 energies"):
        dataclasses.replace(found, e_ads_ev=found.e_ads_ev[:3])
