from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import write

from formwright.datasets.atoms.given import read_structure_corpus
from formwright.datasets.errors import CorpusError, UnknownNameError
from formwright.datasets.own.importing import import_corpus


def clusters(count: int = 24) -> list[Atoms]:
    metals = ("Cu", "Ag", "Au", "Ni")
    frames = []
    for i in range(count):
        metal, atoms = metals[i % 4], 2 + i % 3
        pos = 2.4 * np.arange(atoms)[:, None] * np.array([[0.0, 0.0, 1.0]])
        frames.append(Atoms([metal] * atoms, pos, info={"energy": -1.5 * atoms + 0.01 * i}))
    return frames


def test_clusters_keep_positions_unit_and_level(tmp_path: Path) -> None:
    write(tmp_path / "c.extxyz", clusters())
    done = import_corpus(
        "structures", tmp_path / "c.extxyz", tmp_path / "c", label="energy", unit="Ha", level="HF"
    )
    part = read_structure_corpus(tmp_path / "c", "train")
    assert part.quantity.unit == "Ha" and part.level == "HF" and part.extensive
    assert any("grows with the number of atoms" in text for text in done.notes.guessed)
    assert np.allclose(part.structures[0].pos[1], (0.0, 0.0, 2.4))
    assert not part.structures[0].pbc.any()


def test_crystals_of_a_folder_have_their_labels_in_a_table(tmp_path: Path) -> None:
    lines = ["file,gap"]
    for i in range(16):
        one = bulk(("Cu", "Ag", "Au", "Ni")[i % 4], "fcc", a=3.6 + 0.02 * i)
        write(tmp_path / f"c{i}.cif", one)
        lines.append(f"c{i}.cif,{0.1 * i}" if i != 5 else "c5,metal")
    (tmp_path / "gaps.csv").write_text("\n".join(lines), encoding="utf-8")
    done = import_corpus(
        "structures", tmp_path, tmp_path / "out", label="gap", labels=tmp_path / "gaps.csv"
    )
    assert done.notes.refused == ["c5.cif, frame 0: gap = metal is no finite number."]
    assert read_structure_corpus(tmp_path / "out", "train").structures[0].pbc.all()


def test_absurd_labels_and_lost_columns_are_named(tmp_path: Path) -> None:
    frames = clusters()
    frames[7].info["energy"] = 4e4
    del frames[9].info["energy"]
    done = import_corpus("structures", frames, tmp_path / "c", label="energy", extensive=True)
    assert done.notes.refused[0].startswith("structure 9: no 'energy'")
    assert "is absurd" in done.notes.refused[1]


def test_a_wrong_label_or_group_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="0 structures with a 'enrgy' are left"):
        import_corpus("structures", clusters(), tmp_path / "c", label="enrgy")
    with pytest.raises(UnknownNameError, match="no frame has a column 'site'"):
        import_corpus("structures", clusters(), tmp_path / "c", label="energy", group="site")
