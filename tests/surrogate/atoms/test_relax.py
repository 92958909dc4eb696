from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase.optimize import FIRE

from formwright.datasets.atoms import mamun
from formwright.datasets.atoms.structures import Structure, collate, to_ase
from formwright.datasets.errors import ConfigError
from formwright.surrogate.atoms.adsorption import AdsorptionConfig, AdsorptionSurrogate
from formwright.surrogate.atoms.calculator import AdsorptionCalculator
from formwright.surrogate.atoms.fire import Fire, init, step
from formwright.surrogate.atoms.relax import relax

ROWS = [
    mamun.Row(mamun.Alloy("L12", "Pt", "Ti"), "OH", "hollow|A_A_B|FCC"),
    mamun.Row(mamun.Alloy("A1", "Cu", "Cu"), "H", "top|A"),
    mamun.Row(mamun.Alloy("L10", "Ni", "Al"), "CH3", "bridge|A_B|A"),
    mamun.Row(mamun.Alloy("A1", "Pd", "Pd"), "O", "top|A"),
]


@pytest.fixture(scope="module")
def surrogate() -> AdsorptionSurrogate:
    torch.manual_seed(3)
    config = AdsorptionConfig(channels=16, layers=2, cutoff=4.0, embedding=16, hidden=16)
    made = AdsorptionSurrogate(config).double().eval().requires_grad_(False)
    made.trained_on.fill_(True)
    made.scale.fill_(10.0)
    return made


@pytest.fixture(scope="module")
def structures() -> list[Structure]:
    return mamun.build(ROWS)


def held(one: Structure) -> Structure:
    return replace(one, fixed=one.tags != 2)


def test_the_energy_decreases_and_each_case_stops_by_itself(surrogate, structures):
    results = relax(surrogate, structures, fmax=0.1, steps=60)
    assert len({one.steps for one in results}) > 1
    for one, before in zip(results, structures, strict=True):
        assert one.energy_ev < one.start_ev or one.steps == 0
        assert one.converged == (not one.reason) == (one.fmax <= 0.1)
        assert one.structure.name == before.name and np.array_equal(one.structure.z, before.z)
    assert any(one.converged and one.steps for one in results)


def test_fixed_atoms_do_not_move_by_a_bit(surrogate, structures):
    results = relax(surrogate, [*structures, held(structures[0])], fmax=1e-9, steps=10)
    for one, before in zip(results, [*structures, held(structures[0])], strict=True):
        fixed = before.fixed
        assert fixed.any() and one.steps > 0
        assert one.structure.pos[fixed].tobytes() == before.pos[fixed].tobytes()
        assert np.abs(one.structure.pos - before.pos)[~fixed].max() > 1e-4


def test_a_batch_is_a_loop(surrogate, structures):
    together = relax(surrogate, structures, steps=12)
    alone = [relax(surrogate, [one], steps=12)[0] for one in structures]
    for one, other in zip(together, alone, strict=True):
        assert (one.steps, one.reason) == (other.steps, other.reason)
        assert one.energy_ev == pytest.approx(other.energy_ev, abs=1e-9)
        np.testing.assert_allclose(one.structure.pos, other.structure.pos, atol=1e-8)


@pytest.mark.parametrize("which", [0, 1])
def test_it_walks_as_ase_does(surrogate, structures, which):
    atoms = to_ase(structures[which])
    atoms.calc = AdsorptionCalculator(surrogate)
    surrogate.references.fill_(1.0)
    FIRE(atoms, logfile=None).run(fmax=1e-9, steps=12)
    one = relax(surrogate, [structures[which]], fmax=1e-9, steps=12)[0]
    surrogate.references.zero_()
    np.testing.assert_allclose(one.structure.pos, atoms.positions, atol=1e-9)


def test_a_step_is_bounded_and_starts_at_rest(surrogate, structures):
    batch = collate(structures)
    method = Fire(longest=0.01, time_step=1.0)
    state = init(surrogate, method, batch)
    assert not state.velocity.any() and torch.equal(state.pos, batch["pos"])
    for _ in range(4):
        after = step(surrogate, method, batch, state)
        squares = (after.pos - state.pos).square().sum(1)
        gone = torch.zeros(len(structures)).double().index_add(0, batch["batch"], squares).sqrt()
        assert 0.0 < gone.max() <= 0.01 * (1 + 1e-12)
        state = after


def test_what_is_at_rest_takes_no_step(surrogate, structures):
    one = replace(structures[0], fixed=np.ones(len(structures[0]), bool))
    result = relax(surrogate, [one])[0]
    assert result.converged and result.steps == 0 and result.fmax == 0.0
    assert (
        result.energy_ev
        == result.start_ev
        == pytest.approx(float(surrogate.predict([one])["e_ads_ev"][0]))
    )


def test_a_case_that_cannot_be_computed_says_why_and_the_others_go_on(surrogate, structures):
    overlapping = replace(structures[0], pos=structures[0].pos.copy())
    overlapping.pos[1] = overlapping.pos[0] + 0.1
    bare = replace(structures[1], tags=np.ones_like(structures[1].tags))
    layered = replace(structures[1], tags=structures[1].tags + 1)
    given = [overlapping, structures[0], bare, layered]
    results = relax(surrogate, given, steps=3)
    for one, word in zip(results, ("overlap", "took its 3", "no adsorbate", "tags"), strict=True):
        assert word in one.reason and not one.converged
    assert [one.steps for one in results] == [0, 3, 0, 0]
    assert np.isnan(results[0].energy_ev) and np.isfinite(results[1].energy_ev)


def test_a_case_that_goes_too_far_is_stopped(surrogate, structures):
    result = relax(surrogate, structures[:1], fmax=1e-6, reach=0.05)[0]
    assert "beyond 0.05" in result.reason and 0 < result.steps < 200


def test_numbers_that_are_not_finite_stop_their_case_only(surrogate, structures, monkeypatch):
    forward = AdsorptionSurrogate.offsets

    def poisoned(self, batch):
        zero = torch.zeros(len(batch.ptr) - 1, dtype=torch.int64)
        bad = zero.index_add(0, batch["batch"], batch.z)
        return forward(self, batch) + torch.where(bad == poison, torch.nan, 0.0)

    poison = int(structures[1].z.sum())
    monkeypatch.setattr(AdsorptionSurrogate, "offsets", poisoned)
    results = relax(surrogate, structures[:2], steps=2)
    assert "not finite" in results[1].reason and results[1].steps == 0
    assert "took its 2" in results[0].reason


def test_nothing_gives_nothing(surrogate):
    assert relax(surrogate, []) == []


@pytest.mark.parametrize("bad", [{"fmax": 0.0}, {"steps": 0}, {"reach": -1.0}])
def test_meaningless_settings_are_refused(surrogate, structures, bad):
    with pytest.raises(ConfigError, match=next(iter(bad))):
        relax(surrogate, structures, **bad)
