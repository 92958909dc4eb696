from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from formwright.datasets import files
from formwright.datasets.errors import ConfigError, CorpusError, UnknownNameError
from formwright.datasets.own.importing import import_corpus
from formwright.datasets.pde.given import promises_in, runs_of


def arrays(runs: int = 20, points: int = 16) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "u": rng.normal(size=(runs, 6, points)),
        "nu": rng.uniform(size=runs),
        "t": 0.5 * np.arange(6),
        "x": 0.1 * np.arange(points),
    }


def imported(data: dict[str, Any], folder: Path, **options: Any) -> Any:
    return import_corpus("runs", data, folder / "c", periodic=True, **options)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    data = arrays()
    imported(data, tmp_path, promises={"nu": ["constant of the run", "odd under mirror"]})
    runs, splits = runs_of(tmp_path / "c")
    assert sorted(runs.labels["nu"].tolist()) == sorted(data["nu"].tolist())
    assert float(runs.interval[0]) == 0.5 and float(runs.spacing[0, 0]) == pytest.approx(0.1)
    assert splits.count("test") == 3
    assert promises_in(tmp_path / "c") == {"nu": ("constant", "odd")}
    row = data["nu"].tolist().index(runs.labels["nu"][0].item())
    assert np.allclose(runs.values[0, :, 0], data["u"][row], atol=1e-6)


def test_bad_runs_constants_and_text_are_named(tmp_path: Path) -> None:
    data = arrays() | {"k": np.ones(20), "who": np.array(["me"] * 20)}
    data["u"][3, 0, 0] = np.nan
    told = " | ".join(imported(data, tmp_path).notes.refused)
    assert "run 3: a field or a constant of it is not finite" in told
    assert "constant 'k' is 1 in every run" in told and "who is no label" in told


def test_a_bad_run_without_labels_is_left_out(tmp_path: Path) -> None:
    data = {"u": arrays()["u"]}
    data["u"][3, 0, 0] = np.inf
    assert len(runs_of(imported(data, tmp_path).corpus.path)[0]) == 19


def test_axes_that_are_not_said_to_be_periodic_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="--periodic"):
        import_corpus("runs", arrays(), tmp_path / "c")


def test_grids_that_cannot_be_halved_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="the grid has 20 points"):
        imported(arrays(points=20), tmp_path)


def test_promises_stand_in_attributes_too(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "runs.h5", "w") as file:
        for name, value in arrays().items():
            file[name] = value
        file["nu"].attrs["promise"] = "constant, even under mirror"
    import_corpus("runs", tmp_path / "runs.h5", tmp_path / "c", periodic=True)
    assert promises_in(tmp_path / "c") == {"nu": ("constant", "mirror")}


def test_a_promise_that_is_none_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="no promise is called 'constnt'"):
        imported(arrays(), tmp_path, promises={"nu": ["constnt"]})
    with pytest.raises(ConfigError, match="cannot both stay and change sign"):
        imported(arrays(), tmp_path, promises={"nu": ["mirror", "odd"]})
    with pytest.raises(UnknownNameError, match="no constant 'mu'"):
        imported(arrays(), tmp_path, promises={"mu": ["constant"]})


def test_groups_stay_together(tmp_path: Path) -> None:
    data = arrays() | {"rig": np.arange(20) // 4}
    corpus = imported(data, tmp_path, group="rig").corpus
    runs, splits = runs_of(corpus.path)
    of = dict(zip(data["nu"].tolist(), data["rig"].tolist(), strict=True))
    found = {
        s: {of[v] for v, t in zip(runs.labels["nu"].tolist(), splits, strict=True) if t == s}
        for s in ("train", "test")
    }
    assert found["train"] and found["test"] and not found["train"] & found["test"]


def test_pickles_are_not_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", u=np.array([{"a": 1}], dtype=object))
    with pytest.raises(CorpusError, match="cannot|can be read"):
        import_corpus("runs", tmp_path / "p.npz", tmp_path / "c", periodic=True)


@pytest.mark.parametrize("part", [b"TREE", b"SNOD", b"HEAP"])
def test_a_damaged_hdf5_of_ones_own_is_one_named_error(tmp_path, part):
    path = tmp_path / "own.hdf5"
    with h5py.File(path, "w") as file:
        file["u"], file["rate"] = np.ones((16, 16)), np.arange(16.0)
    path.write_bytes(path.read_bytes().replace(part, b"XXXX"))
    with pytest.raises(CorpusError, match="cannot read '.*own.hdf5' as HDF5"):
        import_corpus("runs", path, tmp_path / "out", periodic=True)
    assert not (tmp_path / "out").exists()


def test_a_damaged_npz_is_one_named_error_and_one_that_inflates_is_not_unpacked(
    tmp_path, monkeypatch
):
    path = tmp_path / "own.npz"
    np.savez(path, u=np.ones((16, 16)), rate=np.arange(16.0))
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"\xf0\x3f", b"\xf0\x40", 1))
    with pytest.raises(CorpusError, match=r"own.npz' is no whole .npz file \(BadZipFile"):
        import_corpus("runs", path, tmp_path / "out", periodic=True)
    path.write_bytes(whole)
    monkeypatch.setattr(files, "LARGEST", 1000)
    with pytest.raises(CorpusError, match=r"unpacks to 2,\d+ bytes; 1,000 are the most"):
        import_corpus("runs", path, tmp_path / "out", periodic=True)
