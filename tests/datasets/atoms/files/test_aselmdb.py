from __future__ import annotations

import json
import pickle
import sys
import zlib
from collections import OrderedDict

import lmdb
import numpy as np
import pytest
import torch
from ase.build import add_adsorbate, fcc111
from ase.constraints import FixAtoms
from torch_geometric.data import Data

from formwright.datasets.atoms.files import aselmdb
from formwright.datasets.atoms.files.aselmdb import iterate_aselmdb, write_aselmdb
from formwright.datasets.atoms.files.oc20 import unpacked
from formwright.datasets.atoms.structures import Structure, from_ase
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


class Asks:
    """Pickles as a call of a function with made-up arguments, and a state."""

    def __init__(self, function, *arguments, state=None):
        self.parts = (function, arguments, *(() if state is None else (state,)))

    def __reduce__(self):
        return self.parts


def storage(numbers: torch.Tensor):
    return numbers.__reduce_ex__(2)[1][0]


def tensor(numbers: torch.Tensor, offset, size, stride) -> Asks:
    rest = (False, OrderedDict())
    return Asks(torch._utils._rebuild_tensor_v2, storage(numbers), offset, size, stride, *rest)


def numpy_array(shape, kind, data) -> Asks:
    rebuild, arguments, _ = np.zeros(1).__reduce__()
    return Asks(rebuild, *arguments, state=(1, shape, kind, False, data))


SIX = torch.arange(6.0)
HOSTILE = {
    "a call that ends the process": (
        Asks(np.ndarray, (1,), np.dtype("O"), b"A" * 8), "number was expected, not numpy.ndarray"),
    "objects": (numpy_array((1,), np.dtype("O"), b"A" * 8), "no type of numbers"),
    "a record type": (numpy_array((1,), np.dtype("f8,f8"), b"A" * 16), "no type of numbers"),
    "bytes that are not there": (numpy_array((9, 9), np.dtype("f8"), b"A" * 8), "8 bytes are no"),
    "a shape that is none": (numpy_array((-1,), np.dtype("f8"), b"A" * 8), "none of whole"),
    "a list for bytes": (numpy_array((1,), np.dtype("f8"), [0.0]), "no bytes but list"),
    "a number of another length": (
        Asks(np.float64(0).__reduce__()[0], np.dtype("f8"), b"A"), "1 bytes are no array"),
    "beyond the storage": (tensor(SIX, 0, (3, 3), (3, 1)), "reaches number 8 of a storage of 6"),
    "from beyond it": (tensor(SIX, 6, (1,), (1,)), "reaches number 6 of a storage of 6"),
    "before it": (tensor(SIX, -1, (1,), (1,)), "offset, size"),
    "backwards": (tensor(SIX, 5, (2,), (-1,)), "none of whole numbers"),
    "more than the memory": (tensor(SIX, 0, (1 << 13, 1 << 13), (0, 0)), "more than 16777216"),
    "one stride short": (tensor(SIX, 0, (2, 3), (1,)), "offset, size"),
    "a storage of no bytes": (
        Asks(torch._utils._rebuild_tensor_v2, 1, 0, (1,), (1,), False), "no bytes of torch.save"),
    "another form of storage": (
        tensor(torch.zeros(1, dtype=torch.complex64), 0, (1,), (1,)), "names torch.ComplexFloat"),
    "a storage cut short": (
        Asks(torch._utils._rebuild_tensor_v2,
             Asks(torch.storage._load_from_bytes, b"\x80\x02K\x01."), 0, (1,), (1,)), "damaged"),
    "a list": ([1.0, [2.0]], "not list"),
    "a number of any size": (10**5000, "not int"),
    "a call of a call": (Asks(np.dtype, Asks(np.dtype, "f8")), "not numpy.dtype"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_pickle_asks_for_is_checked_and_nothing_called(name, tmp_path, monkeypatch):
    asked, why = HOSTILE[name]
    value = graph()
    value.y_relaxed = asked
    put(tmp_path / "a.lmdb", {"0": pickle.dumps(value, protocol=4)})
    monkeypatch.setattr(torch, "load", None)
    monkeypatch.setattr(pickle, "Unpickler", None)
    with pytest.raises(CorpusError, match=rf"a.lmdb', row 0: .*{why}"):
        list(iterate_aselmdb(tmp_path / "a.lmdb"))


@pytest.mark.parametrize(
    "value",
    [
        b"\x80\x04",
        b"\x80\x04K\x01",
        b"\x80\x04.",
        b"\x80\x02)" + b"\x85" * 100_000 + b".",
        b"\x80\x02}" + b")" + b"\x85" * 100_000 + b"K\x01s.",
        b"\x80\x02]q\x00h\x00a.",
        b"\x80\x02K\x01r\xff\xff\xff\x7f0h\x00.",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x80\x02K\x01K\x02R.",
        b"\x80\x02K\x01}b.",
        b"\x80\x02\x82\x01.",
        b"\x80\x02(K\x01K\x02.",
        b"\x80\x02\x8aA" + b"\x7f" * 65 + b"X\x00",
    ],
    ids=range(13),
)
def test_damaged_pickles_are_named(value, tmp_path):
    put(tmp_path / "length.lmdb", {"length": value})
    put(tmp_path / "row.lmdb", {"0": value})
    for path, where in (("length.lmdb", "number of rows"), ("row.lmdb", "row 0")):
        with pytest.raises(CorpusError, match=f"{path}'.*{where}"):
            list(iterate_aselmdb(tmp_path / path))


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_tensors_of_every_type_and_layout(protocol):
    value, base = graph(), torch.arange(12).reshape(3, 4)
    kinds = (torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.bool)
    kinds += (torch.float16, torch.float32, torch.float64)
    for kind in kinds:
        own = base.to(kind)
        for part in (own, own.T, own[1:, ::2], own[:0], own[1:2, :1].expand(3, 2)):
            value.force, value.forces = part, part.numpy().T
            _, columns = unpacked(pickle.dumps(value, protocol=protocol))
            assert columns["force"].dtype == columns["forces"].dtype == part.numpy().dtype
            np.testing.assert_array_equal(columns["force"], part.numpy())
            np.testing.assert_array_equal(columns["forces"], part.numpy().T)


@pytest.mark.parametrize(
    "row",
    [
        {"constraints": ["FixAtoms"]},
        {"constraints": [{"name": "FixAtoms", "kwargs": {"indices": [99]}}]},
        {"numbers": {"__ndarray__": [[1], "object", [78]]}},
        {"numbers": {"__ndarray__": [[1], "9999999f8", [78]]}},
        {"numbers": [10**30]},
    ],
    ids=range(5),
)
def test_rows_of_other_things_are_named(row, tmp_path):
    whole = {"numbers": [78], "positions": [[0, 0, 0]], "cell": np.eye(3).tolist(), "pbc": True}
    put(tmp_path / "a.aselmdb", {"1": pressed({**whole, **row}), "nextid": pressed(2)})
    with pytest.raises((CorpusError, StructureError), match="row 1"):
        list(iterate_aselmdb(tmp_path / "a.aselmdb"))


def test_rows_that_unpack_to_too_much_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(aselmdb, "_LARGEST", 1000)
    put(tmp_path / "a.aselmdb", {"1": pressed({"numbers": [1] * 1000}), "nextid": pressed(2)})
    with pytest.raises(StructureError, match="row 1: .*unpacks to more than 1000 bytes"):
        list(iterate_aselmdb(tmp_path / "a.aselmdb"))
    put(tmp_path / "b.aselmdb", {"1": zlib.compress(b"[" * 200), "nextid": pressed(2)})
    with pytest.raises(StructureError, match="row 1"):
        list(iterate_aselmdb(tmp_path / "b.aselmdb"))


def test_pickles_that_are_no_graph(tmp_path):
    whole = pickle.dumps(graph(), protocol=-1)
    for i, value in enumerate((pickle.dumps({"a": 1}), whole[:-40], pickle.dumps(Data(x=1)))):
        put(tmp_path / f"{i}.lmdb", {"0": value})
        with pytest.raises(CorpusError, match="row 0"):
            list(iterate_aselmdb(tmp_path / f"{i}.lmdb"))
