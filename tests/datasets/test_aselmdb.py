from __future__ import annotations

import json
import pickle
import sys
import zlib

import lmdb
import numpy as np
import pytest
import torch
from ase.build import add_adsorbate, fcc111
from ase.constraints import FixAtoms
from torch_geometric.data import Data

from formwright.datasets.aselmdb import iterate_aselmdb, write_aselmdb
from formwright.datasets.atoms import Structure, from_ase
from formwright.datasets.errors import CorpusError, StructureError


def slab(metal: str = "Pt") -> Structure:
    made = fcc111(metal, (2, 2, 3), vacuum=8)
    add_adsorbate(made, "O", 1.2, "fcc")
    made.pbc = True
    made.set_tags([0] * 8 + [1] * 4 + [2])
    made.set_constraint(FixAtoms(indices=range(4)))
    return from_ase(made, f"O on {metal}")


def put(path, rows: dict[str, bytes]) -> None:
    with lmdb.open(str(path), subdir=False, lock=False, map_size=1 << 24) as file:
        with file.begin(write=True) as transaction:
            for key, value in rows.items():
                transaction.put(key.encode(), value)


def pressed(value) -> bytes:
    return zlib.compress(json.dumps(value).encode())


def equal(one: Structure, other: Structure) -> None:
    for name in ("z", "pos", "cell", "pbc", "tags", "fixed"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_written_shard_comes_back_in_order(tmp_path):
    given = [slab(metal) for metal in ("Pt", "Cu", "Ag", "Ni")] * 3
    forces = [np.full((13, 3), float(i)) for i in range(12)]
    write_aselmdb(
        tmp_path / "a.aselmdb", given, energy=np.arange(12.0), forces=forces, site=["fcc"] * 12
    )
    found = list(iterate_aselmdb(tmp_path / "a.aselmdb"))
    assert [columns["energy"] for _, columns in found] == list(range(12))
    for i, ((one, columns), other) in enumerate(zip(found, given, strict=True)):
        equal(one, other)
        assert one.name == other.name and columns["site"] == "fcc"
        np.testing.assert_array_equal(columns["forces"], forces[i])
    assert [path.name for path in tmp_path.iterdir()] == ["a.aselmdb"]


def test_layout_of_ase_with_array_objects(tmp_path):
    """Rows as ASE's own encoder writes them, with deleted rows, metadata and nested JSON."""
    from ase.io.jsonio import encode

    one = slab()
    row = {
        "numbers": one.z,
        "positions": one.pos,
        "cell": one.cell,
        "pbc": one.pbc,
        "tags": one.tags,
        "constraints": [{"name": "FixAtoms", "kwargs": {"indices": [0, 1, 2, 3]}}],
        "energy": -3.5,
        "forces": np.ones((13, 3)),
        "unique_id": "ab",
        "key_value_pairs": {"sid": "random1"},
        "data": {"source": "here"},
    }
    whole = zlib.compress(encode(row).encode())
    put(
        tmp_path / "a.aselmdb",
        {
            "2": whole,
            "10": whole,
            "nextid": pressed(11),
            "deleted_ids": pressed([1, *range(3, 10)]),
            "metadata": pressed({"info": "x"}),
        },
    )
    found = list(iterate_aselmdb(tmp_path / "a.aselmdb"))
    assert len(found) == 2
    equal(found[0][0], one)
    columns = found[0][1]
    assert found[0][0].name == "random1" and columns["source"] == "here"
    assert columns["energy"] == -3.5 and columns["forces"].shape == (13, 3)


@pytest.mark.parametrize("part", [0.0, 0.02, 0.3, 0.7, 0.95])
def test_cut_short_is_named(tmp_path, part):
    write_aselmdb(tmp_path / "a.aselmdb", [slab(m) for m in ("Pt", "Cu")] * 40)
    whole = (tmp_path / "a.aselmdb").read_bytes()
    (tmp_path / "cut.aselmdb").write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(CorpusError, match=r"cut.aselmdb.*[Gg]et it again"):
        list(iterate_aselmdb(tmp_path / "cut.aselmdb"))


def test_rows_missing_is_named(tmp_path):
    put(tmp_path / "a.aselmdb", {"nextid": pressed(9)})
    with pytest.raises(CorpusError, match="holds 0 rows and says that there are 8"):
        list(iterate_aselmdb(tmp_path / "a.aselmdb"))


def test_damaged_rows_are_named(tmp_path):
    for value in (b"noise", zlib.compress(b"{"), pressed({"numbers": [1]}), pressed([1])):
        path = tmp_path / f"{len(value)}.aselmdb"
        put(path, {"1": value, "nextid": pressed(2)})
        with pytest.raises((CorpusError, StructureError), match="row 1"):
            list(iterate_aselmdb(path))


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text.aselmdb").write_text("no shard" * 4000)
    with pytest.raises(CorpusError, match="text.aselmdb"):
        list(iterate_aselmdb(tmp_path / "text.aselmdb"))


def test_missing_package_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(CorpusError, match=r"pip install 'formwright\[lmdb\]'"):
        list(iterate_aselmdb(tmp_path / "a.aselmdb"))


def graph() -> Data:
    one = slab()
    return Data(
        pos=torch.tensor(one.pos, dtype=torch.float32),
        cell=torch.tensor(one.cell, dtype=torch.float32)[None],
        atomic_numbers=torch.tensor(one.z, dtype=torch.float32),
        tags=torch.tensor(one.tags),
        fixed=torch.tensor(one.fixed, dtype=torch.float32),
        edge_index=torch.zeros(2, 3, dtype=torch.long),
        natoms=13,
        sid=7,
        y_relaxed=-1.25,
        force=torch.ones(13, 3),
    )


def test_oc20_shard(tmp_path):
    rows = {str(i): pickle.dumps(graph(), protocol=-1) for i in range(3)}
    put(tmp_path / "a.lmdb", {**rows, "length": pickle.dumps(3)})
    found = list(iterate_aselmdb(tmp_path / "a.lmdb"))
    assert len(found) == 3
    one, columns = found[0]
    np.testing.assert_allclose(one.pos, slab().pos, atol=1e-5)
    np.testing.assert_array_equal(one.tags, slab().tags)
    np.testing.assert_array_equal(one.fixed, slab().fixed)
    assert columns["y_relaxed"] == -1.25 and columns["sid"] == 7 and one.name == "7"
    np.testing.assert_array_equal(columns["force"], np.ones((13, 3)))


def test_oc20_shard_of_numpy_arrays(tmp_path):
    one = slab()
    data = Data(atomic_numbers=one.z, pos=one.pos, cell=one.cell, tags=one.tags)
    put(tmp_path / "a.lmdb", {"0": pickle.dumps(data, protocol=-1)})
    found, _ = next(iter(iterate_aselmdb(tmp_path / "a.lmdb")))
    np.testing.assert_array_equal(found.pos, one.pos)


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('ran')",))


def test_a_pickle_that_names_more_is_not_run(tmp_path):
    hidden = Data(pos=Evil())
    for i, value in enumerate((Evil(), hidden)):
        put(tmp_path / f"{i}.lmdb", {"0": pickle.dumps(value, protocol=-1)})
        with pytest.raises(CorpusError, match=r"names builtins\.exec"):
            list(iterate_aselmdb(tmp_path / f"{i}.lmdb"))
    put(tmp_path / "length.lmdb", {"length": pickle.dumps(Evil(), protocol=-1)})
    with pytest.raises(CorpusError, match=r"names builtins\.exec"):
        list(iterate_aselmdb(tmp_path / "length.lmdb"))


def test_pickles_that_are_no_graph(tmp_path):
    whole = pickle.dumps(graph(), protocol=-1)
    for i, value in enumerate((pickle.dumps({"a": 1}), whole[:-40], pickle.dumps(Data(x=1)))):
        put(tmp_path / f"{i}.lmdb", {"0": value})
        with pytest.raises(CorpusError, match="row 0"):
            list(iterate_aselmdb(tmp_path / f"{i}.lmdb"))
