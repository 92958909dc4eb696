from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from formwright.datasets.atoms import mamun
from formwright.datasets.atoms.elements import COUNT, number
from formwright.datasets.atoms.structures import Structure, collate
from formwright.datasets.cases import moved
from formwright.datasets.errors import CheckpointError
from formwright.surrogate import zoo
from formwright.surrogate.atoms.adsorption import (
    LABEL,
    AdsorptionConfig,
    AdsorptionSurrogate,
    composition,
)
from formwright.surrogate.checkpoints import load_tensors, save_tensors

CONFIG = AdsorptionConfig(
    channels=8, layers=2, cutoff=4.5, radial=4, embedding=8, hidden=8, levels=("one", "two")
)
ROWS = [
    mamun.Row(mamun.Alloy("L12", "Pt", "Ti"), "OH", "hollow|A_A_B|FCC"),
    mamun.Row(mamun.Alloy("A1", "Cu", "Cu"), "H", "top|A"),
    mamun.Row(mamun.Alloy("L10", "Ni", "Al"), "CH3", "bridge|A_B|A"),
]


@pytest.fixture(scope="module")
def structures() -> list[Structure]:
    return mamun.build(ROWS)


@pytest.fixture
def surrogate() -> AdsorptionSurrogate:
    torch.manual_seed(0)
    made = AdsorptionSurrogate(CONFIG).double().eval()
    made.references[0, number("H")], made.references[0, number("O")] = -0.5, 2.0
    made.base.copy_(torch.tensor([0.25, 1.25]))
    made.trained_on[[number(e) for e in ("H", "O", "Pt", "Ti", "Cu")]] = True
    return made


def test_the_composition_counts_the_adsorbate_only(structures):
    counts = composition(collate(structures))
    assert counts.sum(1).tolist() == [2.0, 1.0, 4.0]
    assert counts[0, number("O")] == counts[0, number("H")] == 1.0
    assert counts[2, number("H")] == 3.0 and counts[0, number("Pt")] == 0.0


def test_references_are_by_level_and_added(surrogate, structures):
    batch = collate(structures)
    torch.testing.assert_close(
        surrogate.offsets(batch), torch.tensor([1.75, -0.25, -1.25]).double()
    )
    other = moved(batch, level=torch.tensor([1, 0, 1]))
    torch.testing.assert_close(surrogate.offsets(other), torch.tensor([1.25, -0.25, 1.25]).double())
    off = surrogate(other)[LABEL] - surrogate(batch)[LABEL]
    torch.testing.assert_close(off, torch.tensor([-0.5, 0.0, 2.5]).double())


def test_an_interval_is_symmetric_and_scales_with_its_calibration(surrogate, structures):
    batch = collate(structures)
    said = surrogate(batch)
    middle = 0.5 * (said.lower[LABEL] + said.upper[LABEL])
    torch.testing.assert_close(middle, said[LABEL])
    width = said.upper[LABEL] - said.lower[LABEL]
    assert (width > 0).all()
    surrogate.calibration.fill_(3.0)
    again = surrogate(batch)
    torch.testing.assert_close(again.upper[LABEL] - again.lower[LABEL], 3.0 * width)
    torch.testing.assert_close(again.std[LABEL], 3.0 * said.std[LABEL])
    torch.testing.assert_close(again[LABEL], said[LABEL])


def test_predict_keeps_the_order_of_cases_of_all_sizes(surrogate, structures):
    many = [structures[i % 3] for i in range(70)]
    table = surrogate.predict(many)
    alone = [surrogate.predict([one]) for one in structures]
    for name, column in table.items():
        assert len(column) == 70
        for i, value in enumerate(column):
            assert value == pytest.approx(alone[i % 3][name][0], abs=1e-12)


def test_predict_of_nothing_has_the_same_columns(surrogate, structures):
    nothing, one = surrogate.predict([]), surrogate.predict(structures[:1])
    assert set(nothing) == set(one)
    assert all(len(column) == 0 for column in nothing.values())


def test_elements_outside_the_training_data_are_flagged(surrogate, structures):
    flags = surrogate.predict(structures)["unknown_elements"]
    assert flags.dtype == bool and flags.tolist() == [False, False, True]


def test_the_energy_does_not_depend_on_the_frame(surrogate, structures):
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    turned = [replace(s, pos=s.pos @ turn + 1.0, cell=s.cell @ turn) for s in structures]
    first, second = (surrogate.predict(some)[LABEL] for some in (structures, turned))
    np.testing.assert_allclose(second, first, atol=1e-11)


def test_gradients_to_positions_cell_and_mixture(surrogate, structures):
    batch = collate(structures[:2])
    surrogate.requires_grad_(False)
    weights = one_hot(batch.z, COUNT).double()
    generator = torch.Generator().manual_seed(0)
    for name, start in (("pos", batch["pos"]), ("cell", batch.cell), ("mixture", weights)):
        along = torch.randn(start.shape, generator=generator).double()

        def energy(t: torch.Tensor, name=name, start=start, along=along) -> torch.Tensor:
            changed = {"mixture": weights, name: start + t * along}
            return surrogate(moved(batch, **changed))[LABEL]

        at = torch.zeros((), dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(energy, (at,), eps=1e-5, atol=1e-6)


def test_it_comes_back_from_a_file(surrogate, structures, tmp_path):
    single = surrogate.float()
    zoo.save(single, tmp_path / zoo.FILE, {"labels": 3})
    again = zoo.load(tmp_path)
    assert isinstance(again, AdsorptionSurrogate) and again.config == CONFIG
    assert not again.training and not any(p.requires_grad for p in again.parameters())
    before, after = single.predict(structures), again.predict(structures)
    for name, column in before.items():
        assert np.array_equal(after[name], column)


def test_a_network_comes_back_from_a_file(surrogate, structures, tmp_path):
    encoder = surrogate.float().encoder
    zoo.save(encoder, tmp_path / "atoms.safetensors", kind="adsorption", architecture=CONFIG)
    again = zoo.load(tmp_path / "atoms.safetensors")
    batch = collate(structures)
    assert torch.equal(again(batch).per_case, encoder(batch).per_case)


def corrupted(tensor: torch.Tensor) -> torch.Tensor:
    noise = torch.randn(tensor.shape, generator=torch.Generator().manual_seed(0))
    return tensor + noise.to(tensor)


def test_one_damaged_tensor_is_refused_whichever_it_is(surrogate, tmp_path):
    path = tmp_path / zoo.FILE
    zoo.save(surrogate.float(), path)
    tensors, header = load_tensors(path)
    unseen = {"trained_on", "doubt_range"} | {name for name in tensors if "support." in name}
    damaged = set()
    for name in tensors.keys() - unseen:
        save_tensors(path, {**tensors, name: corrupted(tensors[name])}, header)
        with pytest.raises(CheckpointError, match="do not answer as they did"):
            zoo.load(path)
        damaged.add(name)
    assert len(damaged) > 20
    save_tensors(path, tensors, header)
    zoo.load(path)


def test_one_damaged_tensor_of_a_polar_is_refused(tmp_path):
    path = tmp_path / zoo.FILE
    zoo.save(zoo.load("airfoil-polar"), path)
    zoo.load(path)
    tensors, header = load_tensors(path)
    for name in ("turns.weight", "pressure.weight", "calibration"):
        save_tensors(path, {**tensors, name: corrupted(tensors[name])}, header)
        with pytest.raises(CheckpointError, match="off by"):
            zoo.load(path)


def test_files_without_answers_are_loaded(surrogate, tmp_path):
    path = tmp_path / zoo.FILE
    zoo.save(surrogate.float(), path)
    tensors, header = load_tensors(path)
    del header["answers"]
    save_tensors(path, tensors, json.loads(json.dumps(header)))
    assert isinstance(zoo.load(path), AdsorptionSurrogate)


def test_weights_that_are_not_finite_are_not_saved(surrogate, tmp_path):
    with torch.no_grad():
        surrogate.mean.weight[0, 0] = torch.nan
    with pytest.raises(CheckpointError, match="not fit for use"):
        zoo.save(surrogate, tmp_path / zoo.FILE)
    assert not (tmp_path / zoo.FILE).exists()
