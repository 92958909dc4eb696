from __future__ import annotations

import numpy as np
import pytest
from ase.build import add_adsorbate, fcc111

from formwright.datasets.atoms import mamun
from formwright.datasets.atoms.files.structures import write_structures
from formwright.datasets.atoms.labelled_structures import read_labelled
from formwright.datasets.atoms.structures import from_ase
from formwright.datasets.errors import CorpusError, UnknownNameError

ROWS, ENERGIES = (values[::150] for values in mamun.labelled("validation"))


def write(path, energies=ENERGIES, **columns):
    write_structures(path, mamun.build(ROWS), e_ads_ev=list(map(float, energies)), **columns)
    return path


def test_what_was_written_is_read_and_grouped_by_the_elements_of_the_slab(tmp_path):
    read = read_labelled(write(tmp_path / "a.extxyz"), "e_ads_ev")
    assert np.allclose(read.label, ENERGIES)
    assert list(read.groups) == ["-".join(sorted(set(row.alloy.pair))) for row in ROWS]
    for one, row in zip(read.structures, mamun.build(ROWS), strict=True):
        assert np.array_equal(one.tags, row.tags) and np.allclose(one.pos, row.pos)


def test_parts_keep_groups_together_and_lose_nothing(tmp_path):
    read = read_labelled(write(tmp_path / "a.extxyz"), "e_ads_ev")
    parts = read.parts()
    groups = [set(part.groups) for part in parts.values()]
    assert sum(len(part.label) for part in parts.values()) == len(ROWS)
    assert all(groups) and not any(a & b for a in groups for b in groups if a is not b)
    again = read_labelled(tmp_path / "a.extxyz", "e_ads_ev").parts()
    assert [part.groups for part in again.values()] == [part.groups for part in parts.values()]


def test_a_column_of_the_file_may_say_what_belongs_together(tmp_path):
    names = [f"facet{i % 4}" for i in range(len(ROWS))]
    read = read_labelled(write(tmp_path / "a.extxyz", group=names), "e_ads_ev")
    assert list(read.groups) == names


def test_bad_files_are_refused_by_name(tmp_path):
    path = write(tmp_path / "a.extxyz")
    with pytest.raises(UnknownNameError, match=r"frame 0, has no 'e_ad_ev'. Did you mean"):
        read_labelled(path, "e_ad_ev")
    broken = ENERGIES.copy()
    broken[2] = np.nan
    with pytest.raises(CorpusError, match=r"frame 2: e_ads_ev = nan is no finite number"):
        read_labelled(write(tmp_path / "b.extxyz", broken), "e_ads_ev")
    alike = read_labelled(write(tmp_path / "c.extxyz", group=["one"] * len(ROWS)), "e_ads_ev")
    with pytest.raises(CorpusError, match=r"1 group\(s\) \(one\)"):
        alike.parts()


@pytest.mark.parametrize("layers", [2, 3])
def test_the_adsorbate_beside_layer_numbers_is_no_metal(tmp_path, layers):
    made = fcc111("Cu", (2, 2, layers), vacuum=8)
    add_adsorbate(made, "O", 1.2, "fcc")
    write_structures(tmp_path / "a.extxyz", [from_ase(made)], e_ads_ev=[1.2])
    read = read_labelled(tmp_path / "a.extxyz", "e_ads_ev")
    (one,) = read.structures
    assert one.z[one.tags == 2].tolist() == [8] and (one.tags == 1).sum() == 4
    assert list(read.groups) == ["Cu"]
