from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import add_adsorbate, bulk, fcc111, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from ase.db import connect

from formwright.datasets.atoms.files.aselmdb import write_aselmdb
from formwright.datasets.atoms.files.structures import (
    iterate_frames,
    iterate_structures,
    read_structures,
    write_structures,
)
from formwright.datasets.atoms.structures import Structure, from_ase
from formwright.datasets.errors import StructureError


def slab(metal: str = "Pt") -> Atoms:
    made = fcc111(metal, (2, 2, 3), vacuum=8)
    add_adsorbate(made, "O", 1.2, "fcc")
    made.pbc = True
    made.set_tags([0] * 8 + [1] * 4 + [2])
    made.set_constraint(FixAtoms(indices=range(4)))
    return made


def same(one: Structure, other: Structure, decimals: int = 6) -> None:
    np.testing.assert_array_equal(one.z, other.z)
    np.testing.assert_allclose(one.pos, other.pos, atol=10.0**-decimals)
    np.testing.assert_allclose(one.cell, other.cell, atol=10.0**-decimals)
    np.testing.assert_array_equal(one.pbc, other.pbc)
    np.testing.assert_array_equal(one.fixed, other.fixed)


@pytest.mark.parametrize("name", ["out.extxyz", "out.extxyz.gz"])
def test_written_structures_come_back(tmp_path, name):
    given = [from_ase(slab(metal), f"O on {metal}") for metal in ("Pt", "Cu")]
    write_structures(tmp_path / name, given, e_ads_ev=[-1.5, 0.25], site=["fcc", "hcp"])
    found = list(iterate_structures(tmp_path / name))
    for (one, columns), other, energy in zip(found, given, (-1.5, 0.25), strict=True):
        same(one, other, 7)
        np.testing.assert_array_equal(one.tags, other.tags)
        assert one.name == other.name and columns["e_ads_ev"] == energy
    assert [columns["site"] for _, columns in found] == ["fcc", "hcp"]
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_columns_of_another_length_are_refused(tmp_path):
    with pytest.raises(StructureError, match="'e' has 2 values for 1"):
        write_structures(tmp_path / "out.extxyz", [from_ase(slab())], e=[1.0, 2.0])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["POSCAR", "a.vasp", "a.cif", "a.traj", "a.extxyz.gz"])
def test_formats_of_ase(tmp_path, name):
    given = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    ase.io.write(tmp_path / name, given)
    (one,) = read_structures(tmp_path / name)
    np.testing.assert_allclose(one.cell, given.cell.array, atol=1e-6)
    assert sorted(one.elements) == sorted(given.get_chemical_symbols())


def test_held_atoms_of_a_poscar(tmp_path):
    ase.io.write(tmp_path / "POSCAR", slab(), format="vasp")
    (one,) = read_structures(tmp_path / "POSCAR")
    assert one.fixed.tolist() == [True] * 4 + [False] * 9 and not one.tags.any()


@pytest.mark.parametrize("name", ["rows.db", "rows.json"])
def test_database_of_ase(tmp_path, name):
    atoms = slab()
    atoms.calc = SinglePointCalculator(atoms, energy=-3.0)
    rows = connect(tmp_path / name)
    rows.write(atoms, site="fcc", name="first")
    rows.write(slab("Cu"))
    found = list(iterate_structures(tmp_path / name))
    assert len(found) == 2
    same(found[0][0], from_ase(slab()))
    assert found[0][1]["energy"] == -3.0 and found[0][1]["site"] == "fcc"
    assert found[0][0].name == "first"


def test_pymatgen(tmp_path):
    from pymatgen.core import Lattice
    from pymatgen.core import Molecule as PMolecule
    from pymatgen.core import Structure as Crystal

    crystal = Crystal(
        Lattice.hexagonal(3.2, 5.2),
        ["Mg", "Mg"],
        [[1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]],
        site_properties={"selective_dynamics": [[False] * 3, [True] * 3], "tags": [1, 0]},
    )
    water = PMolecule(["O", "H", "H"], [[0, 0, 0], [0.76, 0.59, 0], [-0.76, 0.59, 0]])
    (tmp_path / "two.json").write_text(json.dumps([crystal.as_dict(), water.as_dict()]))
    first, second = read_structures(tmp_path / "two.json")
    np.testing.assert_allclose(first.pos, crystal.cart_coords)
    assert first.fixed.tolist() == [True, False] and first.tags.tolist() == [1, 0]
    assert second.elements == ["O", "H", "H"] and not second.pbc.any()
    with gzip.open(tmp_path / "one.json.gz", "wt") as handle:
        handle.write(json.dumps(crystal.as_dict()))
    assert len(read_structures(tmp_path / "one.json.gz")) == 1


def test_shared_sites_are_refused(tmp_path):
    from pymatgen.core import Lattice
    from pymatgen.core import Structure as Crystal

    alloy = Crystal(Lattice.cubic(3.6), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]])
    (tmp_path / "alloy.json").write_text(json.dumps(alloy.as_dict()))
    with pytest.raises(StructureError, match=r"alloy.json', frame 0: .*order it first"):
        read_structures(tmp_path / "alloy.json")
    alloy.to(filename=str(tmp_path / "alloy.cif"))
    with pytest.raises(StructureError, match="partly occupied"):
        read_structures(tmp_path / "alloy.cif")


def test_shards_are_read_too(tmp_path):
    write_aselmdb(tmp_path / "a.aselmdb", [from_ase(slab())])
    same(read_structures(tmp_path / "a.aselmdb")[0], from_ase(slab()))


def test_a_column_of_held_atoms(tmp_path):
    (tmp_path / "a.xyz").write_text(
        '2\nLattice="5 0 0 0 5 0 0 0 20" Properties=species:S:1:pos:R:3:fixed:I:1 pbc="T T F"\n'
        "Pt 0 0 0 1\nH 0 0 1.6 0\n"
    )
    (one,) = read_structures(tmp_path / "a.xyz")
    assert one.fixed.tolist() == [True, False] and one.pbc.tolist() == [True, True, False]


def test_errors_name_file_and_frame(tmp_path):
    with pytest.raises(StructureError, match=r"no file '.*absent.cif'"):
        read_structures(tmp_path / "absent.cif")
    write_structures(tmp_path / "a.extxyz", [from_ase(slab())] * 2)
    text = (tmp_path / "a.extxyz").read_text()
    (tmp_path / "unknown.extxyz").write_text(text.replace("\nPt", "\nQq", 1))
    with pytest.raises(StructureError, match="unknown.extxyz', frame 0"):
        read_structures(tmp_path / "unknown.extxyz")
    (tmp_path / "cut.extxyz").write_text(text[:-200])
    with pytest.raises(StructureError, match="cut.extxyz', frame 1"):
        read_structures(tmp_path / "cut.extxyz")
    (tmp_path / "heavy.extxyz").write_text(
        text + '1\nLattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3\nEs 0 0 0\n'
    )
    with pytest.raises(StructureError, match="heavy.extxyz', frame 2: .*number 99"):
        read_structures(tmp_path / "heavy.extxyz")
    (tmp_path / "noise.cif").write_text("this is no crystal")
    with pytest.raises(StructureError, match="noise.cif"):
        read_structures(tmp_path / "noise.cif")
    (tmp_path / "noise.json").write_text("{")
    with pytest.raises(StructureError, match="noise.json"):
        read_structures(tmp_path / "noise.json")


def test_molecule_has_no_cell(tmp_path: Path):
    write_structures(tmp_path / "m.extxyz", [from_ase(molecule("CH4"))])
    (one,) = read_structures(tmp_path / "m.extxyz")
    assert not one.pbc.any() and not one.cell.any()


def test_a_bad_frame_costs_itself_alone(tmp_path):
    write_structures(tmp_path / "a.extxyz", [from_ase(slab(metal)) for metal in ("Pt", "Cu", "Ag")])
    text = (tmp_path / "a.extxyz").read_text()
    for bad, words in (("X 0.0", "ghost"), ("Qq 0.0", "Qq"), ("Cu nan", "atom 0")):
        path = tmp_path / "bad.extxyz"
        path.write_text(re.sub(r"\nCu +\S+", f"\n{bad}", text, count=1))
        first, second, third = (one for one, _ in iterate_frames(path))
        assert isinstance(first, Structure) and isinstance(third, Structure)
        assert isinstance(second, StructureError) and words in str(second)
        assert "bad.extxyz', frame 1" in str(second) and third.elements[0] == "Ag"


def test_a_row_of_a_database_costs_itself_alone(tmp_path):
    rows = connect(tmp_path / "rows.db")
    for symbol in ("Pt", "X", "Cu"):
        made = slab()
        made.symbols[0] = symbol
        rows.write(made)
    kinds = [type(one) for one, _ in iterate_frames(tmp_path / "rows.db")]
    assert kinds == [Structure, StructureError, Structure]


def test_blank_lines_between_frames_lose_nothing(tmp_path):
    write_structures(tmp_path / "a.extxyz", [from_ase(slab(metal)) for metal in ("Pt", "Cu")])
    text = (tmp_path / "a.extxyz").read_text()
    (tmp_path / "b.extxyz").write_text("\n" + text.replace("\n13\n", "\n\n \n13\n") + "\n\n")
    assert len(read_structures(tmp_path / "b.extxyz")) == 2
    (tmp_path / "c.extxyz").write_text(text + "thirteen\n")
    *fine, last = (one for one, _ in iterate_frames(tmp_path / "c.extxyz"))
    assert len(fine) == 2 and "'thirteen'" in str(last)


def test_heavy_hydrogen_is_hydrogen(tmp_path):
    (tmp_path / "d.xyz").write_text("3\nwater, heavy\nO 0 0 0\n D 0 .76 .59\nT 0 -.76 .59\n")
    (one,) = read_structures(tmp_path / "d.xyz")
    assert one.elements == ["O", "H", "H"]


def test_vectors_below_the_atoms_belong_to_their_frame(tmp_path):
    frame = "1\nwith its cell\nPt 0 0 0\nVEC1 3 0 0\nVEC2 0 4 0\nVEC3 0 0 5\n"
    (tmp_path / "v.xyz").write_text(2 * frame)
    found = read_structures(tmp_path / "v.xyz")
    assert [np.diag(one.cell).tolist() for one in found] == [[3, 4, 5]] * 2
