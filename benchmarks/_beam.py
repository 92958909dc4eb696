"""A cantilever by CalculiX: heights in, mass, deflection and stress out.

python benchmarks/_beam.py CASE.json     (prints one JSON object; what a study runs)
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

LENGTH, WIDTH, STEPS, ELEMENTS = 1.0, 0.03, 5, 4
FORCE, YOUNG, POISSON, DENSITY = 1000.0, 210e9, 0.3, 7850.0
NAMES: Final = tuple(f"height_{i}" for i in range(1, STEPS + 1))


def deck(heights_mm: list[float]) -> str:
    """Return CalculiX' input: quadratic beams of rectangular section along x, bent along y."""
    count = 2 * STEPS * ELEMENTS + 1
    nodes = [f"{i + 1}, {LENGTH * i / (count - 1):.9g}, 0., 0." for i in range(count)]
    lines = ["*NODE, NSET=ALL", *nodes]
    for step in range(STEPS):
        lines.append(f"*ELEMENT, TYPE=B32, ELSET=S{step}")
        for k in range(ELEMENTS):
            element = step * ELEMENTS + k
            first = 2 * element + 1
            lines.append(f"{element + 1}, {first}, {first + 1}, {first + 2}")
    lines += ["*MATERIAL, NAME=STEEL", "*ELASTIC", f"{YOUNG}, {POISSON}"]
    for step, height in enumerate(heights_mm):
        lines.append(f"*BEAM SECTION, ELSET=S{step}, MATERIAL=STEEL, SECTION=RECT")
        lines += [f"{height / 1000.0:.9g}, {WIDTH}", "0., 1., 0."]
    lines += [f"*ELSET, ELSET=EVERY\n{', '.join(f'S{i}' for i in range(STEPS))}"]
    lines += ["*BOUNDARY", "1, 1, 6", "*STEP", "*STATIC", "*CLOAD", f"{count}, 2, {-FORCE}"]
    lines += [f"*NSET, NSET=TIP\n{count}", "*NODE PRINT, NSET=TIP", "U"]
    lines += ["*EL PRINT, ELSET=EVERY", "S", "*END STEP"]
    return "\n".join(lines) + "\n"


def solved(heights_mm: list[float]) -> dict[str, float]:
    """Return what CalculiX says of a cantilever."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "beam"
        path.with_suffix(".inp").write_text(deck(heights_mm), encoding="ascii")
        subprocess.run(
            ["ccx", "-i", str(path)], cwd=folder, check=True, capture_output=True, timeout=120
        )
        rows = [line.split() for line in path.with_suffix(".dat").read_text().splitlines()]
    numbers = [[float(v) for v in row] for row in rows if row and row[0].isdigit()]
    (tip,) = [row for row in numbers if len(row) == 4]
    axial = [abs(row[2]) for row in numbers if len(row) == 8]
    return {
        "mass_kg": DENSITY * WIDTH * LENGTH / STEPS * sum(heights_mm) / 1000.0,
        "deflection_mm": 1000.0 * abs(tip[2]),
        "stress_mpa": max(axial) / 1e6,
    }


if __name__ == "__main__":
    inputs = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["inputs"]
    print(json.dumps(solved([inputs[name] for name in NAMES])))
