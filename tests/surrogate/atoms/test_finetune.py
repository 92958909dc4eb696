from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from formwright.datasets.atoms import mamun
from formwright.datasets.atoms.elements import number
from formwright.datasets.atoms.structures import Structure
from formwright.datasets.config import from_mapping
from formwright.datasets.errors import CheckpointError, ConfigError
from formwright.surrogate.atoms import finetune as adsorption_finetune
from formwright.surrogate.atoms.adsorption import LABEL, AdsorptionConfig, AdsorptionSurrogate
from formwright.surrogate.atoms.cases import AtomCases
from formwright.surrogate.atoms.finetune import (
    AdsorptionFinetuneConfig,
    calibrate_adsorption,
    finetune_adsorption,
    fit_mean,
    fit_references,
    mean_absolute_error,
)
from formwright.surrogate.training.loop import CHECKPOINT, LOG, TrainConfig

CONFIG = AdsorptionConfig(
    channels=8, layers=1, cutoff=3.5, radial=4, embedding=8, hidden=8, levels=("one", "two")
)
METALS = ("Cu", "Ag", "Au", "Al", "Pd", "Pt", "Rh", "Ir")
SITES = ("top|A", "bridge|A_A|A", "hollow|A_A_A|FCC", "hollow|A_A_A|HCP")


def cases(adsorbates: tuple[str, ...] = ("H", "O", "OH"), levels: bool = False) -> AtomCases:
    """Cases whose labels are a reference an atom plus something that depends on the slab."""
    rows = [
        mamun.Row(mamun.Alloy("A1", metal, metal), name, site)
        for metal in METALS
        for name in adsorbates
        for site in SITES
    ]
    structures = mamun.build(rows)
    energy = np.array([label(one) for one in structures])
    level = np.arange(len(rows)) % 2 if levels else np.zeros(len(rows), int)
    return AtomCases(structures, {LABEL: energy + 0.7 * level, "level": level})


def label(one: Structure) -> float:
    held = {1: -0.4, 8: 1.5}
    return sum(held.get(z, 0.0) for z in one.z.tolist()) + 0.02 * (one.z[0] - 50) - 0.3


def untrained(seed: int = 0) -> AdsorptionSurrogate:
    torch.manual_seed(seed)
    return AdsorptionSurrogate(CONFIG)


def recipe(steps: int, **changes) -> AdsorptionFinetuneConfig:
    loop = TrainConfig(
        steps=steps,
        learning_rate=5e-3,
        warmup_steps=5,
        ema_decay=0.9,
        checkpoint_every_seconds=0.02,
        log_every_steps=1,
        threads=1,
    )
    return AdsorptionFinetuneConfig(**{"batch_cases": 8, "train": loop, **changes})


def finetuned(folder: str | Path | None, steps: int, **changes) -> AdsorptionSurrogate:
    surrogate = untrained()
    finetune_adsorption(surrogate, cases(), recipe(steps, **changes), folder, progress=False)
    return surrogate


def test_references_are_what_an_atom_of_the_adsorbate_costs():
    surrogate = untrained()
    fit_references(surrogate, cases(levels=True), ridge=1e-9)
    for level in range(2):
        assert surrogate.references[level, number("H")] == pytest.approx(-0.4, abs=0.05)
        assert surrogate.references[level, number("O")] == pytest.approx(1.5, abs=0.05)
    assert surrogate.base[1] - surrogate.base[0] == pytest.approx(0.7, abs=0.05)
    metals = surrogate.references[:, [number(metal) for metal in METALS]]
    assert not metals.any()
    assert 0.1 < float(surrogate.scale) < 1.0


def test_the_elements_of_the_training_data_are_known_and_no_others():
    surrogate = untrained()
    fit_references(surrogate, cases())
    known = {number(element) for element in (*METALS, "H", "O")}
    assert set(surrogate.trained_on.nonzero()[:, 0].tolist()) == known


def test_a_level_without_labels_keeps_its_references():
    surrogate = untrained()
    surrogate.references[1].fill_(9.0)
    fit_references(surrogate, cases())
    assert (surrogate.references[1] == 9.0).all() and not (surrogate.references[0] == 9.0).any()


def test_the_heads_are_fitted_before_the_first_step():
    surrogate, data = untrained(), cases()
    fit_references(surrogate, data)
    before = mean_absolute_error(surrogate, data)
    fit_mean(surrogate, data, ridge=1e-4)
    assert mean_absolute_error(surrogate, data) < 0.6 * before


def test_it_learns():
    surrogate, data = finetuned(None, steps=100), cases()
    assert not surrogate.training
    assert mean_absolute_error(surrogate, data) < 0.04
    spread = np.std(data.labels[LABEL].numpy())
    assert spread > 0.5


def noisy(seed: int) -> AtomCases:
    """Cases whose labels are off by .05 eV, with oxygen by .5 eV."""
    data, rng = cases(), np.random.default_rng(seed)
    oxygen = torch.tensor([8 in one.z.tolist() for one in data.structures])
    size = torch.where(oxygen, 0.5, 0.05)
    noise = torch.from_numpy(rng.normal(0.0, 1.0, len(data)).astype(np.float32))
    data.labels[LABEL] = data.labels[LABEL] + size * noise
    return data


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_calibrated_intervals_cover_the_asked_share(level):
    surrogate = finetuned(None, steps=100)
    share = []
    for seed in range(6):
        calibrate_adsorption(surrogate, noisy(seed), level)
        new = noisy(100 + seed)
        said = surrogate(new.batch(torch.arange(len(new))))
        truth = new.labels[LABEL]
        share.append(((said.lower[LABEL] <= truth) & (truth <= said.upper[LABEL])).float().mean())
    assert float(torch.stack(share).mean()) == pytest.approx(level, abs=0.04)


def test_intervals_are_wide_where_the_labels_are_off():
    surrogate, data = finetuned(None, steps=100), noisy(0)
    calibrate_adsorption(surrogate, data)
    said = surrogate(data.batch(torch.arange(len(data)))).std[LABEL].detach()
    oxygen = torch.tensor([8 in one.z.tolist() for one in data.structures])
    assert float(said[oxygen].median()) > 2.0 * float(said[~oxygen].median())


def losses(folder: Path) -> list[tuple[int, float]]:
    lines = (folder / LOG).read_text().splitlines()
    return [(line["step"], line["loss"]) for line in map(json.loads, lines)]


class Broken(BaseException):
    pass


def test_a_run_that_broke_off_resumes_bit_for_bit(tmp_path, monkeypatch):
    whole = finetuned(tmp_path / "whole", steps=30)
    step = adsorption_finetune._Step.__call__

    def breaks(self, model, number, generator):
        if number == 23:
            raise Broken
        return step(self, model, number, generator)

    with monkeypatch.context() as patch, pytest.raises(Broken):
        patch.setattr(adsorption_finetune._Step, "__call__", breaks)
        finetuned(tmp_path / "broken", steps=30)
    assert (tmp_path / "broken" / CHECKPOINT).exists()
    with pytest.raises(CheckpointError, match="start = weights .* there, weights .* asked"):
        finetune_adsorption(untrained(seed=1), cases(), recipe(30), tmp_path / "broken")
    surrogate = untrained()
    result = finetune_adsorption(
        surrogate, cases(), recipe(30), tmp_path / "broken", progress=False
    )
    assert 0 < result.resumed_from <= 23
    assert losses(tmp_path / "broken") == losses(tmp_path / "whole")
    for name, tensor in whole.state_dict().items():
        assert torch.equal(surrogate.state_dict()[name], tensor), name


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path):
    finetuned(tmp_path, steps=3)
    with pytest.raises(CheckpointError, match="steps = 3 there, 4 asked"):
        finetuned(tmp_path, steps=4)


def test_an_unknown_key_is_refused_with_a_suggestion():
    with pytest.raises(ConfigError, match="linear_first"):
        from_mapping(AdsorptionFinetuneConfig, {"linear_frst": True})
