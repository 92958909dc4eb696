from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data

from formwright.datasets.errors import CorpusError, UnknownNameError
from formwright.datasets.pde.runs import (
    FieldRuns,
    alike_runs,
    check_alike,
    grid_values,
    with_values,
)
from formwright.datasets.pde.well import open_well
from formwright.datasets.pde.well_runs import open_runs
from formwright.datasets.pde.well_write import read_header, write_well

RUNS, TIMES, NX, NY = 3, 5, 4, 6
RNG = np.random.default_rng(0)
DENSITY = RNG.normal(size=(RUNS, TIMES, NX, NY)).astype(np.float32)
VELOCITY = RNG.normal(size=(RUNS, TIMES, NX, NY, 2)).astype(np.float32)
STRESS = RNG.normal(size=(RUNS, TIMES, NX, NY, 2, 2)).astype(np.float32)
OBSTACLE = RNG.normal(size=(NX,)).astype(np.float32)


def put(group, name, data, **attributes):
    group.create_dataset(name, data=data).attrs.update(attributes)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file as the layout's page describes it, with every kind of field."""
    file_path = tmp_path / "example.hdf5"
    with h5py.File(file_path, "w") as file:
        file.attrs.update(
            dataset_name="example",
            grid_type="cartesian",
            n_spatial_dims=2,
            n_trajectories=RUNS,
            simulation_parameters=["Reynolds"],
            Reynolds=250.0,
        )
        dimensions = file.create_group("dimensions")
        dimensions.attrs["spatial_dims"] = ["x", "y"]
        put(dimensions, "time", np.linspace(1, 3, TIMES, dtype=np.float32), sample_varying=False)
        for name, n in (("x", NX), ("y", NY)):
            line = np.arange(n, dtype=np.float32) * 0.5
            put(dimensions, name, line, sample_varying=False, time_varying=False)
        bounds = file.create_group("boundary_conditions")
        for name in ("x", "y"):
            group = bounds.create_group(f"{name}_periodic")
            group.attrs.update(associated_dims=[name], bc_type="PERIODIC")
        scalars = file.create_group("scalars")
        scalars.attrs["field_names"] = ["Reynolds", "zeta", "wind"]
        put(scalars, "Reynolds", np.float32(250.0), sample_varying=False, time_varying=False)
        zeta = np.array([0.1, 0.2, 0.3], dtype=np.float32)
        put(scalars, "zeta", zeta, sample_varying=True, time_varying=False)
        put(scalars, "wind", np.zeros(TIMES), sample_varying=False, time_varying=True)
        both = {"sample_varying": True, "time_varying": True, "dim_varying": [True, True]}
        t0, t1, t2 = (file.create_group(f"t{i}_fields") for i in range(3))
        t0.attrs["field_names"] = ["density", "obstacle"]
        put(t0, "density", DENSITY, **both)
        still = {"sample_varying": False, "time_varying": False, "dim_varying": [True, False]}
        put(t0, "obstacle", OBSTACLE, **still)
        t1.attrs["field_names"] = ["velocity"]
        put(t1, "velocity", VELOCITY, **both)
        t2.attrs["field_names"] = ["stress"]
        put(t2, "stress", STRESS, symmetric=False, antisymmetric=False, **both)
    return file_path


def test_a_file_says_what_it_holds(path: Path):
    file = open_well(path)
    assert (file.name, file.runs, file.axes, file.periodic) == (
        "example",
        3,
        ("x", "y"),
        (True,) * 2,
    )
    assert set(file.fields) == {"density", "obstacle", "velocity", "stress"}
    assert set(file.constants) == {"Reynolds", "zeta"}
    assert file.constants["zeta"].tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert file.constants["Reynolds"].tolist() == [250.0] * 3


def test_fields_become_channels(path: Path):
    runs = open_well(path).read()
    assert runs.values.shape == (RUNS, TIMES, 8, NX, NY)
    assert runs.names[:4] == ("density", "obstacle", "velocity.0", "velocity.1")
    assert runs.names[4:] == tuple(f"stress.{i}" for i in range(4))
    np.testing.assert_array_equal(runs.values[:, :, 0], DENSITY)
    np.testing.assert_array_equal(runs.values[1, 2, 1, :, 3], OBSTACLE)
    np.testing.assert_array_equal(runs.values[:, :, 3], VELOCITY[..., 1])
    np.testing.assert_array_equal(runs.values[:, :, 6], STRESS[..., 1, 0])
    assert runs.spacing.tolist() == [[0.5, 0.5]] * RUNS and runs.start.tolist() == [1.0] * RUNS
    assert runs.interval.tolist() == pytest.approx([0.5] * RUNS)


def test_only_what_is_asked_for_is_read(path: Path, monkeypatch: pytest.MonkeyPatch):
    read: list[tuple[int, ...]] = []
    own = h5py.Dataset.__getitem__

    def spy(self, index, *more, **how):
        value = own(self, index, *more, **how)
        if self.name.startswith("/t"):
            read.append(np.shape(value))
        return value

    file = open_well(path)
    monkeypatch.setattr(h5py.Dataset, "__getitem__", spy)
    runs = file.read(["density"], runs=slice(1, 2), frames=slice(2, 4))
    assert read == [(1, 2, NX, NY)]
    np.testing.assert_array_equal(runs.values[0, :, 0], DENSITY[1, 2:4])
    assert runs.start.tolist() == pytest.approx([2.0]) and len(runs) == 1


def test_batches_of_several_files_keep_the_order_asked_for(path: Path, tmp_path: Path):
    other = tmp_path / "other.hdf5"
    other.write_bytes(path.read_bytes())
    with h5py.File(other, "r+") as file:
        file["t0_fields"]["density"][...] += 100.0
    runs = open_runs([path, other], ["density"], frames=(1, 3))
    assert len(runs) == 6
    batch = runs.batch(torch.tensor([4, 0, 5]))
    values = grid_values(batch)
    assert values.shape == (3, 2, 1, NX, NY)
    np.testing.assert_array_equal(values[1, :, 0], DENSITY[0, 1:3])
    np.testing.assert_array_equal(values[0, :, 0], DENSITY[1, 1:3] + 100)
    assert batch.zeta.tolist() == pytest.approx([0.2, 0.1, 0.3])
    assert len(runs.read()) == 6
    with pytest.raises(CorpusError, match="none numbered 6"):
        runs.batch(torch.tensor([6]))


def edit(path: Path, change) -> None:
    with h5py.File(path, "r+") as file:
        change(file)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda f: f.attrs.pop("n_trajectories"), "lacks the attribute 'n_trajectories'"),
        (lambda f: f.attrs.update(grid_type="spherical"), "'spherical' grid"),
        (lambda f: f.pop("dimensions"), "lacks the group 'dimensions'"),
        (lambda f: f["dimensions"].pop("y"), "lacks 'y' in dimensions"),
        (lambda f: f["t0_fields"].pop("density"), "the field 'density' that t0_fields lists"),
        (lambda f: f.attrs.update(n_trajectories=4), "has shape"),
        (lambda f: [f.pop(f"t{i}_fields") for i in range(3)], "any field"),
        (lambda f: f["dimensions"].attrs.update(spatial_dims=["x"]), "names in spatial_dims"),
    ],
)
def test_a_missing_piece_is_named(path: Path, change, message: str):
    edit(path, change)
    with pytest.raises(CorpusError, match=message):
        open_well(path)


def test_a_scalar_of_the_wrong_length_is_named(path: Path):
    def change(file):
        del file["scalars"]["zeta"]
        put(file["scalars"], "zeta", np.zeros(2), sample_varying=True, time_varying=False)

    edit(path, change)
    with pytest.raises(CorpusError, match="'zeta'.*2 values for 3 runs"):
        open_well(path)


def test_truncated_absent_and_foreign_files_are_named(path: Path, tmp_path: Path):
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorpusError, match="cannot read"):
        open_well(path)
    with pytest.raises(CorpusError, match="cannot read"):
        open_well(tmp_path / "absent.hdf5")
    with pytest.raises(CorpusError, match="no file to open"):
        open_runs([])


@pytest.mark.parametrize("part", [b"TREE", b"SNOD", b"HEAP"])
def test_a_damaged_file_is_named(path: Path, tmp_path: Path, part: bytes):
    damaged = tmp_path / "damaged.hdf5"
    damaged.write_bytes(path.read_bytes().replace(part, b"XXXX"))
    with pytest.raises(CorpusError, match="cannot read '.*damaged.hdf5' as HDF5"):
        open_well(damaged).read()


def rest_of_a_heap(content: bytes) -> int:
    """Return where the free rest of the first heap begins: object 0 of the collection."""
    at = content.index(b"GCOL") + 16
    while int.from_bytes(content[at : at + 2], "little"):
        at += 16 + 8 * -(-int.from_bytes(content[at + 8 : at + 16], "little") // 8)
    return at


@pytest.mark.parametrize("size", [0, 2**63])
def test_texts_that_hdf5_would_step_over_for_ever_are_refused(path: Path, size: int):
    content = bytearray(path.read_bytes())
    at = rest_of_a_heap(bytes(content))
    content[at + 8 : at + 16] = size.to_bytes(8, "little")
    path.write_bytes(content)
    with pytest.raises(CorpusError, match="the texts at byte .* cannot be read"):
        open_well(path)


def test_an_error_inside_hdf5_is_one_of_the_file(path: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> None:
        raise SystemError("returned a result with an exception set")

    monkeypatch.setattr(h5py.Group, "__getitem__", broken)
    with pytest.raises(CorpusError, match="an exception set"):
        open_well(path)


def test_nan_and_unequal_times_are_named(path: Path):
    def spoil(file):
        file["t0_fields"]["density"][1, 0, 0, 0] = np.nan

    edit(path, spoil)
    with pytest.raises(CorpusError, match=r"1 of 3 runs.*\[1\]"):
        open_well(path).read(["density"])
    edit(path, lambda f: f["dimensions"]["time"].__setitem__(0, -5.0))
    with pytest.raises(CorpusError, match="'time'.*not equally spaced"):
        open_well(path).read(["velocity"])
    with pytest.raises(UnknownNameError, match="Did you mean 'density'"):
        open_well(path).read(["densty"])


def some_runs() -> FieldRuns:
    return alike_runs(
        values=torch.from_numpy(DENSITY)[:, :, None],
        spacing=(0.5, 0.25),
        interval=0.1,
        start=2.0,
        labels={"viscosity": torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)},
        names=("vorticity",),
        failures=("run 7: blew up in frame 3",),
    )


def test_what_is_written_is_read_back(tmp_path: Path):
    path = tmp_path / "own.hdf5"
    write_well(path, some_runs(), name="own", header={"recipe": {"seed": 3}})
    file = open_well(path)
    back = file.read()
    assert file.periodic == (True, True) and file.name == "own"
    assert torch.equal(back.values, some_runs().values)
    assert torch.equal(back.labels["viscosity"], some_runs().labels["viscosity"])
    assert back.spacing.tolist() == [[0.5, 0.25]] * RUNS and back.start.tolist() == [2.0] * RUNS
    assert back.interval.tolist() == pytest.approx([0.1] * RUNS)
    header = read_header(path)
    assert header["recipe"] == {"seed": 3} and header["failures"] == ["run 7: blew up in frame 3"]


def test_a_file_of_others_has_no_header(path: Path):
    with pytest.raises(CorpusError, match="another program wrote it"):
        read_header(path)


def test_cases_and_grids_are_two_forms_of_one_thing():
    runs = some_runs()
    batch = runs.batch(torch.tensor([2, 0]))
    assert batch.field.shape == (2 * NX * NY, TIMES, 1) and batch.grid.tolist() == [[NX, NY]] * 2
    assert torch.equal(grid_values(batch), runs.values[[2, 0]])
    assert torch.equal(batch.field[NY + 1, :, 0], runs.values[2, :, 0, 1, 1])
    assert batch.viscosity.tolist() == pytest.approx([0.3, 0.1])
    thinner = with_values(batch, grid_values(batch)[..., ::2], spacing=2 * batch.spacing)
    assert grid_values(thinner).shape == (2, TIMES, 1, NX, NY // 2)
    assert torch.equal(thinner.viscosity, batch.viscosity)


def test_pyg_collates_cases_of_one_grid():
    runs = some_runs()
    singles = [runs.batch(torch.tensor([i])) for i in (1, 2)]
    joined = Batch.from_data_list([single.to_data() for single in singles])
    assert torch.equal(grid_values(joined), runs.values[1:])


def test_mixed_grids_and_other_cases_are_named():
    batch = some_runs().batch(torch.tensor([0, 1]))
    batch.grid = torch.tensor([[NX, NY], [NY, NX]])
    with pytest.raises(CorpusError, match="one grid"):
        grid_values(batch)
    with pytest.raises(CorpusError, match="'field' and 'grid'"):
        grid_values(Data(pos=torch.zeros(3, 2)))


def times_of_runs(file) -> None:
    times = np.outer([0.5, 0.5, 1.0], np.arange(TIMES)) + 1.0
    del file["dimensions"]["time"]
    put(file["dimensions"], "time", times, sample_varying=True)


def test_every_run_keeps_its_own_time(path: Path, tmp_path: Path):
    edit(path, times_of_runs)
    runs = open_well(path).read(["density"], runs=slice(1, 3))
    assert runs.interval.tolist() == [0.5, 1.0]
    batch = open_runs([path]).batch(torch.tensor([2, 0]))
    assert batch.interval.tolist() == [1.0, 0.5]
    with pytest.raises(
        CorpusError, match=r"time between frames differs.*\[0.5\].*\[1.0\] in run 2"
    ):
        check_alike(open_runs([path]).read())


def test_every_file_keeps_its_own_time_and_spacing(path: Path, tmp_path: Path):
    other = tmp_path / "other.hdf5"
    other.write_bytes(path.read_bytes())

    def slower(file) -> None:
        file["dimensions"]["time"][...] *= 2.0
        file["dimensions"]["y"][...] *= 3.0

    edit(other, slower)
    runs = open_runs([path, other]).read(torch.tensor([0, 5]))
    assert runs.interval.tolist() == pytest.approx([0.5, 1.0])
    assert runs.start.tolist() == [1.0, 2.0]
    assert runs.spacing.tolist() == [[0.5, 0.5], [0.5, 1.5]]


def test_walls_are_kept_axis_by_axis_and_refused_by_what_goes_round(path: Path):
    edit(path, lambda f: f["boundary_conditions"]["y_periodic"].attrs.update(bc_type="WALL"))
    file = open_well(path)
    assert file.periodic == (True, False)
    assert file.read().batch(torch.tensor([0])).periodic.tolist() == [[True, False]]
    with pytest.raises(CorpusError, match="axis 1 of case 0 is not periodic"):
        check_alike(file.read())
    edit(path, lambda f: f.pop("boundary_conditions"))
    assert open_well(path).periodic == (False, False)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda f: f.attrs.update(Reynolds="250.0"), "parameter 'Reynolds'.*the text '250.0'"),
        (lambda f: f["scalars"]["zeta"].attrs.update(sample_varying=False), "holds 3 values"),
        (lambda f: f["dimensions"]["time"].write_direct(np.full(5, np.nan, "f4")), "not finite"),
    ],
)
def test_numbers_of_a_file_are_read_or_named(path: Path, change, message: str):
    edit(path, change)
    with pytest.raises(CorpusError, match=message):
        open_well(path)


def test_text_that_is_no_number_is_no_label(path: Path):
    def named(file) -> None:
        file.attrs.update(simulation_parameters=["Reynolds", "solver"], solver="spectral")

    edit(path, named)
    assert set(open_well(path).constants) == {"Reynolds", "zeta"}


def linked(file) -> None:
    file["t0_fields"]["more"] = h5py.ExternalLink("other.hdf5", "/t0_fields/density")


def stored_elsewhere(file) -> None:
    place = [("numbers.raw", 0, 8 * TIMES)]
    file["scalars"].create_dataset("more", (TIMES,), "f8", external=place)


def virtual(file) -> None:
    layout = h5py.VirtualLayout((TIMES,), "f8")
    layout[:] = h5py.VirtualSource("other.hdf5", "dimensions/time", (TIMES,))
    file["scalars"].create_virtual_dataset("more", layout)


@pytest.mark.parametrize("change", [linked, stored_elsewhere, virtual])
def test_nothing_but_the_file_itself_is_read(path: Path, change):
    edit(path, change)
    with pytest.raises(CorpusError, match="'(t0_fields|scalars)/more' .*nothing but the file"):
        open_well(path)
