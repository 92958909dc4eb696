"""How long ``adsorption-mamun`` takes to train from the shipped encoder, by its own script.

python benchmarks/adsorption_training_time.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from _common import ROOT, Benchmark, save

from formwright.surrogate.checkpoints import load_header
from formwright.surrogate.zoo import FILE, FOLDER

THREADS = 1


def main() -> None:
    """Train once into a folder that is thrown away; tell the time and how good the outcome is."""
    script = ROOT / "benchmarks" / "train_adsorption.py"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(script), "--out", folder, "--pretrained", "atoms"]
        threads = {"OMP_NUM_THREADS": str(THREADS)}
        subprocess.run(
            [*command, "--threads", str(THREADS)], check=True, env={**os.environ, **threads}
        )
        again = load_header(Path(folder) / FILE)["provenance"]
    shipped = load_header(FOLDER / "adsorption-mamun.safetensors")["provenance"]
    minutes = again["seconds"] / 60.0
    save(
        Benchmark(
            name="adsorption-training-time",
            claim=f"Training from the shipped encoder to adsorption-mamun: {minutes:.0f} minutes "
            f"with {THREADS} thread.",
            value=minutes,
            unit="minutes",
            better="lower",
            peers={},
            bars={"bar": 30.0, "stretch": 10.0},
            split=f"{again['labels']:,} labels, {again['steps']:,} steps",
            notes=f"Validation error of this run {again['validation_mae_ev']:.4f} eV, of the "
            f"shipped weights {shipped['validation_mae_ev']:.4f} eV.",
        )
    )


if __name__ == "__main__":
    main()
