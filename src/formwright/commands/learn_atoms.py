"""``formwright finetune --structures``: a surrogate of adsorption energies from a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from formwright.datasets.atoms.labelled_structures import LabelledStructures
    from formwright.surrogate.atoms.adsorption import AdsorptionSurrogate
    from formwright.surrogate.atoms.cases import AtomCases


def finetune_structures(
    path: Path,
    label: str,
    out: Path,
    pretrained: str | None,
    start: str | None,
    config: Path | None,
    steps: int | None,
    seed: int | None,
    *,
    quiet: bool,
) -> None:
    """Train on the structures of a file, calibrate, judge on its test part, save."""
    from formwright.commands.learn import seed_everything, settings_of
    from formwright.datasets.atoms.labelled_structures import read_labelled
    from formwright.datasets.config import to_mapping
    from formwright.surrogate import zoo
    from formwright.surrogate.atoms import finetune as tuning

    settings = settings_of(tuning.AdsorptionFinetuneConfig, config, steps, seed)
    seed_everything(settings.train.seed)
    surrogate = _first(pretrained, start)
    parts = {
        name: _cases(part, surrogate) for name, part in read_labelled(path, label).parts().items()
    }
    tuning.finetune_adsorption(surrogate, parts["train"], settings, out, progress=not quiet)
    tuning.calibrate_adsorption(surrogate, parts["validation"], known=parts["train"])
    errors = {name: tuning.mean_absolute_error(surrogate, parts[name]) for name in parts}
    provenance = {
        "structures": str(path),
        "counts": {name: len(part) for name, part in parts.items()},
        "from": str(start or pretrained or "scratch"),
        "mean_absolute_error_ev": errors,
        "config": to_mapping(settings),
    }
    zoo.save(surrogate, out / zoo.FILE, provenance)
    console = Console(highlight=False)
    for name, part in parts.items():
        console.print(
            f"{name:10}  {len(part):6,} structures, mean absolute error {errors[name]:.4f} eV"
        )
    console.print(f"{zoo.FILE}  {out / zoo.FILE}", markup=False)


def _first(pretrained: str | None, start: str | None) -> AdsorptionSurrogate:
    """Return what fine-tuning begins with.

    Raises:
        ConfigError: Both are given, or the surrogate is of another kind.
    """
    from formwright import load
    from formwright.datasets.errors import ConfigError
    from formwright.surrogate.atoms.adsorption import AdsorptionConfig, AdsorptionSurrogate
    from formwright.surrogate.zoo import load_network

    config = AdsorptionConfig()
    if pretrained is not None and start is not None:
        raise ConfigError("give --pretrained or --start, not both: each is where training begins.")
    if start is not None:
        surrogate = load(start)
        if not isinstance(surrogate, AdsorptionSurrogate):
            raise ConfigError(f"{start!r} is no surrogate of adsorption energies.")
        return surrogate.requires_grad_(True).train()
    encoder = None if pretrained is None else load_network(pretrained, config)
    return AdsorptionSurrogate(config, encoder)


def _cases(part: LabelledStructures, surrogate: AdsorptionSurrogate) -> AtomCases:
    """Return labelled cases, prepared for the encoder."""
    from formwright.surrogate.atoms.adsorption import LABEL
    from formwright.surrogate.atoms.cases import AtomCases

    return AtomCases(part.structures, {LABEL: part.label}, prepared_for=surrogate.encoder)
