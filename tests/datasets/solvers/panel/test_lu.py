from __future__ import annotations

import subprocess
import sys

ANSWERS = """
import torch
from formwright.datasets.airfoils import cst
from formwright.datasets.solvers.panel.solver import analyse

def lift():
    vector = torch.tensor([-0.15] * 8 + [0.2] * 8 + [0.0, 0.002]).double()
    pos = cst.coordinates(torch.stack([vector, 0.9 * vector, 1.1 * vector]), 100)
    angles = torch.tensor([[2.0, 4.0]]).double().repeat(3, 1)
    return analyse(pos, angles, torch.full_like(angles, 1e6)).cl

torch.set_num_threads(1)
one = lift()
torch.set_num_threads(2)
assert torch.allclose(one, lift(), atol=1e-9), (one, lift())
"""


def test_answers_hang_on_no_number_of_threads():
    run = subprocess.run(
        [sys.executable, "-c", ANSWERS], capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
