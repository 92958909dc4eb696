"""Run a study with the stand-ins of the tests, slowly, so that it can be killed in between."""

import importlib.util
import sys
import time
from pathlib import Path

import torch

from formwright.datasets.config import from_mapping
from formwright.design.airfoils.study import Study
from formwright.design.airfoils.verifiers import Chosen, SolverName
from formwright.design.loop import run

STUDY = {
    "name": "killed",
    "surrogate": "stand-in",
    "rounds": 2,
    "points": [{"cl": 0.4, "reynolds": 1e6}, {"cl": 0.7, "reynolds": 5e5, "weight": 2.0}],
    "constraints": [{"kind": "thickness", "at": 0.3, "lower": 0.11}],
    "method": {"kind": "slsqp", "max_iterations": 30},
    "workers": 1,
}


def stand_ins():
    """Return the classes of conftest.py, which is no module of its own."""
    spec = importlib.util.spec_from_file_location(
        "stand_ins", Path(__file__).parents[1] / "conftest.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ThinAirfoil, module.ThinSolver


def main(folder, pause):
    surrogate, solver = stand_ins()

    class Slow(surrogate):
        def forward(self, batch, *, fields=False):
            time.sleep(pause)
            return super().forward(batch, fields=fields)

    torch.set_num_threads(1)
    chosen = Chosen(SolverName.PANEL, solver(), "a stand-in.")
    run(from_mapping(Study, STUDY), folder, surrogate=Slow(), chosen=chosen)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
