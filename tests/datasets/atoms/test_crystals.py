from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from formwright.datasets.atoms.crystals import PROPERTIES, iterate_cdvae, iterate_secgcnn
from formwright.datasets.atoms.structures import vacuum
from formwright.datasets.errors import StructureError

SAMPLES = Path(__file__).parent / "samples"
UNITS = {quantity.name: quantity.unit for quantity in PROPERTIES}


@pytest.mark.parametrize(
    ("file", "cleavage", "names"),
    [
        ("secgcnn1.extxyz", False, ["surface_energy_ev_a2", "work_function_ev"]),
        ("secgcnn2.extxyz", False, ["surface_energy_ev_a2", "work_function_ev"]),
        ("secgcnn3.extxyz", True, ["cleavage_energy_ev_a2"]),
    ],
)
def test_slabs(file, cleavage, names):
    ((one, found),) = iterate_secgcnn(SAMPLES / file, cleavage=cleavage)
    assert list(found) == names and set(names) <= set(UNITS)
    assert set(one.tags.tolist()) == {0, 1} and vacuum(one) > 5.0 and one.name


def test_values():
    ((one, found),) = iterate_secgcnn(SAMPLES / "secgcnn2.extxyz")
    assert one.name == "1Li211" and one.elements == ["Li"] * 12
    assert found["surface_energy_ev_a2"] == pytest.approx(0.033590684)
    assert found["work_function_ev"] == pytest.approx(2.934587)


def test_perovskites():
    found = list(iterate_cdvae(SAMPLES / "cdvae_perov.csv"))
    assert [one.name for one, _ in found] == ["18517", "15400"]
    one, values = found[0]
    assert sorted(one.elements) == ["Cd", "Cu", "N", "N", "N"] and one.pbc.all()
    assert np.linalg.det(one.cell) == pytest.approx(78.36342504, rel=1e-6)
    assert set(values) == {"heat_ev_atom", "direct_gap_ev", "indirect_gap_ev"} <= set(UNITS)
    assert values["heat_ev_atom"] == pytest.approx(2.709152583)


def test_carbon_zipped(tmp_path):
    with gzip.open(tmp_path / "carbon.csv.gz", "wb") as handle:
        handle.write((SAMPLES / "cdvae_carbon.csv").read_bytes())
    found = list(iterate_cdvae(tmp_path / "carbon.csv.gz"))
    assert [len(one) for one, _ in found] == [8, 6]
    assert found[0][1] == {"energy_ev_atom": -154.223695}


def test_other_files_are_refused(tmp_path):
    with pytest.raises(StructureError, match="not of SE-CGCNN"):
        list(iterate_secgcnn(SAMPLES / "wwl.extxyz"))
    with pytest.raises(StructureError, match="row 0, is not of CDVAE"):
        list(iterate_cdvae(SAMPLES / "README.md"))
    (tmp_path / "bad.csv").write_text("material_id,cif\nx,noise\n")
    with pytest.raises(StructureError, match="bad.csv', row 0, has a CIF"):
        list(iterate_cdvae(tmp_path / "bad.csv"))
    with pytest.raises(StructureError, match="absent.csv"):
        list(iterate_cdvae(tmp_path / "absent.csv"))
