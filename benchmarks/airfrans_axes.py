"""AirfRANS in: do lift, CST vector and incidence of a converted row stand in the same axes?

    python benchmarks/airfrans_axes.py

Random sections of the dataset's two series (digits are real numbers) are written as cases, with
the potential flow around them, and converted. The files stand in the axes of the digits, rows in
the section's own. A row's lift is held against the lift integrated from its file; the potential
lift of the row's CST vector at the row's incidence against that of the wall in the file at the
incidence in the name, on the same chord.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from _common import Benchmark, save, tell
from torch import Tensor

from formwright.datasets.airfoils import cst
from formwright.datasets.airfoils.contour import in_file_axes
from formwright.datasets.rans.airfrans.cases import CaseName, case_name, parse_name
from formwright.datasets.rans.airfrans.corpus import convert_case
from formwright.datasets.rans.airfrans.read import read_case
from formwright.datasets.rans.airfrans.sections import section_of
from formwright.datasets.rans.airfrans.write import write_case
from formwright.datasets.rans.flow_axes import wall_corners
from formwright.datasets.rans.flow_field import FlowField
from formwright.datasets.rans.mesh.cmesh import CMesh, c_mesh
from formwright.datasets.rans.plane_flow import flow_from_plane, wall_ring
from formwright.datasets.rans.potential_flow import potential_flow
from formwright.datasets.solvers.panel.vortex_panels import repanel, sheet

SECTIONS: Final = 60
REYNOLDS: Final = 3e6
MESH: Final = CMesh(cells_side=80, cells_wake=8, cells_normal=12, first_cell=2e-4)
PANELS: Final = 200
COLUMNS: Final = ("file", "panels")
NAME_TAKEN: Final = "incidence of the name taken as it is"


def names(seed: int) -> list[str]:
    """Return names of cases, four and five digits in turns."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(SECTIONS):
        if i % 2:
            digits = rng.uniform(0.0, 7.0), rng.uniform(2.0, 7.0), rng.uniform(5.0, 20.0)
        else:
            lift, place = rng.uniform(0.0, 4.0), rng.uniform(3.0, 8.0)
            digits = lift, place, float(rng.integers(2)), rng.uniform(5.0, 20.0)
        section = "_".join(f"{digit:.6g}" for digit in digits)
        found.append(case_name(REYNOLDS, rng.uniform(-5.0, 15.0), section))
    return found


def flow_of(case: CaseName) -> FlowField:
    """Return the potential flow around a section in the axes of its digits."""
    section = section_of(case.name)
    mesh = c_mesh(in_file_axes(section.pos, section.placement), MESH)
    points, quads = mesh.points[: len(mesh.points) // 2, :2], mesh.cells[:, :4]
    corners = torch.from_numpy(points[wall_ring(points, quads)[0]])
    nodes, middles = torch.cat([corners, corners[:1]]), points[quads].mean(1)
    alpha = torch.tensor([case.alpha_deg])
    found = potential_flow(nodes[None], torch.from_numpy(middles)[None], alpha)
    return flow_from_plane(
        points,
        quads,
        velocity=found.velocity[0].numpy(),
        pressure=found.pressure[0].numpy(),
        nut=np.full(len(quads), 2e-5),
        alpha_deg=case.alpha_deg,
        reynolds=case.reynolds,
    )


def potential_lift(pos: Tensor, alpha_deg: float) -> float:
    """Return twice the circulation of the panel method around a contour, in its unit of length."""
    solved = sheet(repanel(pos[None], PANELS))
    speed = solved.speed_at(torch.tensor([alpha_deg], dtype=torch.float64))
    steps = solved.nodes.diff(dim=1).norm(dim=-1)
    return float((steps * (speed[:, 1:] + speed[:, :-1])).sum())


def compared(name: str, folder: Path) -> dict[str, Any]:
    """Write a case, convert it, and return how far row and file are apart."""
    case = parse_name(name)
    write_case(folder, name, flow_of(case))
    (row,) = convert_case(folder, folder, {name: "train"}, name).to_pylist()
    if not row["converged"]:
        raise SystemExit(f"{name} was not converted: {row['reason']}")
    file = read_case(folder, name)
    wall = torch.from_numpy(wall_corners(file.wall))
    wanted = potential_lift(wall, case.alpha_deg)
    chord = section_of(name).placement.chord
    contour = chord * cst.coordinates(torch.tensor(row["cst"], dtype=torch.float64), PANELS // 2)
    return {
        "case": name,
        "turned_deg": row["alpha_deg"] - case.alpha_deg,
        "file": abs(row["cl"] - file.forces["cl"]),
        "panels": abs(potential_lift(contour, row["alpha_deg"]) - wanted),
        NAME_TAKEN: abs(potential_lift(contour, case.alpha_deg) - wanted),
    }


def summary(rows: list[dict[str, Any]], column: str) -> tuple[float, float]:
    """Return mean and largest of a column."""
    values = [row[column] for row in rows]
    return float(np.mean(values)), max(values)


def main() -> None:
    """Write, convert, compare, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in names(seed):
            rows.append(compared(name, Path(folder)))
            tell(name, rows[-1])
    (file_mean, file_most), (mean, most) = (summary(rows, column) for column in COLUMNS)
    old_mean, old_most = summary(rows, NAME_TAKEN)
    keys = "mean, file", "largest, file", "mean, panels", "largest, panels"
    save(
        Benchmark(
            name="airfrans-axes",
            claim=f"Of {len(rows)} converted AirfRANS cases, lift differs from that of the files "
            f"by {file_most:.0e} at most; the potential lift of a row's CST vector at its "
            f"incidence differs from that of the wall in the file by {mean:.1g} on average and "
            f"{most:.1g} at most (with the incidence of the name taken as it is: {old_mean:.2g} "
            f"and {old_most:.2g}).",
            value=dict(zip(keys, (file_mean, file_most, mean, most), strict=True)),
            unit="lift coefficient, absolute difference",
            better="lower",
            peers={NAME_TAKEN: dict(zip(keys, (None, None, old_mean, old_most), strict=True))},
            seeds=[seed],
            split=f"{len(rows)} random sections of four and five digits, potential flows on "
            "C-meshes, written and converted by the package",
            notes=f"Panels: {PANELS} a section. The axes of a cambered section's digits and its "
            f"own are up to {max(abs(row['turned_deg']) for row in rows):.2f} degrees apart.",
            details=rows,
        )
    )


if __name__ == "__main__":
    main()
