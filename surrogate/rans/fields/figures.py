"""Figures of RANS fields: prediction, truth and error around the section, and both walls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jaxtyping import Float

from formwright.datasets.errors import FlowFileError
from formwright.datasets.rans.flow_field import FlowField, Wall

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WINDOW: Final = (-0.3, 1.5, -0.55, 0.55)
FIELDS: Final = ("pressure coefficient", "speed")
PREDICTED: Final = "tab:red"
SOLVED: Final = "0.15"
_WIDTH: Final = 11.0
_LARGEST: Final = 99.5


def field_figure(
    predicted: FlowField,
    truth: FlowField | None = None,
    *,
    field: str = "pressure coefficient",
    window: Sequence[float] = WINDOW,
) -> Figure:
    """Draw a field around the section and the wall's pressure and friction.

    Args:
        predicted: By a surrogate.
        truth: By the solver, on the same cells; its field and the error are drawn beside.
        field: ``pressure coefficient`` or ``speed``.
        window: Left, right, bottom, top, chords.

    Returns:
        A figure to save: ``field_figure(...).savefig("case.png", dpi=200)``.

    Raises:
        FlowFileError: The records are of different meshes, or there is no such field.

    Example:
        >>> import formwright
        >>> flow = formwright.predict_in_file(formwright.load("rans-fields"), "e387", 4.0, 3e6)
        >>> formwright.field_figure(flow).savefig("flow.png")
    """
    from matplotlib.figure import Figure

    _check(predicted, truth, field)
    figure = Figure(figsize=(_WIDTH, 3.4 if truth is None else 6.0), layout="constrained")
    values = _values(predicted, field)
    if truth is None:
        cells, pressure, friction = figure.subplots(1, 3, width_ratios=(1.4, 1.0, 1.0))
        _fields(figure, np.array([cells]), predicted, (values, None), field, window)
    else:
        parts: Any = figure.subfigures(2, 1)
        upper, lower = parts
        both = (values, _values(truth, field))
        _fields(upper, upper.subplots(1, 3), predicted, both, field, window)
        pressure, friction = lower.subplots(1, 2)
    _plot_walls(pressure, friction, predicted, truth)
    figure.suptitle(_title(predicted, truth), fontsize=11)
    return figure


def _fields(
    figure: Any,
    axes: np.ndarray,
    flow: FlowField,
    values: tuple[np.ndarray, np.ndarray | None],
    field: str,
    window: Sequence[float],
) -> None:
    """Draw prediction, truth and error with one scale for the first two."""
    predicted, solved = values
    inside = _inside(flow, window)
    shown = predicted if solved is None else solved
    low, high = np.percentile(shown[inside], [100.0 - _LARGEST, _LARGEST])
    names = ("prediction", "RANS")
    for axis, name, part in zip(axes, names, values, strict=False):
        if part is not None:
            cells = _cells(axis, flow, part, inside, window, cmap="viridis", clim=(low, high))
            axis.set_title(f"{field}: {name}", fontsize=9)
    figure.colorbar(cells, ax=list(axes[:2]), shrink=0.7, extend="both")
    if solved is not None:
        error = predicted - solved
        most = float(np.percentile(np.abs(error[inside]), _LARGEST)) or 1.0
        off = _cells(axes[2], flow, error, inside, window, cmap="RdBu_r", clim=(-most, most))
        axes[2].set_title("prediction - RANS", fontsize=9)
        figure.colorbar(off, ax=axes[2], shrink=0.85, extend="both")


def _cells(
    axis: Axes,
    flow: FlowField,
    values: Float[np.ndarray, " cells"],
    inside: np.ndarray,
    window: Sequence[float],
    **colours: Any,
) -> Any:
    """Fill the cells in the window."""
    from matplotlib.collections import PolyCollection

    corners = flow.points[flow.quads[inside]]
    cells = PolyCollection(list(corners), edgecolors="none", antialiased=False, rasterized=True)
    cells.set_array(values[inside])
    cells.set(**colours)
    axis.add_collection(cells)
    axis.fill(*flow.wall.centres.T, color="white", lw=0.4, ec="black")
    axis.set(xlim=window[:2], ylim=window[2:], xlabel="$x / c$", aspect="equal")
    return cells


def _plot_walls(
    pressure: Axes, friction: Axes, predicted: FlowField, truth: FlowField | None
) -> None:
    """Draw pressure and friction along the wall."""
    pairs = [(predicted, PREDICTED, "prediction", "-")]
    if truth is not None:
        pairs.insert(0, (truth, SOLVED, "RANS", "-"))
    for flow, colour, name, style in pairs:
        x = flow.wall.centres[:, 0]
        pressure.plot(x, flow.wall.cp, style, color=colour, lw=1.2, label=name)
        friction.plot(x, downstream(flow.wall), style, color=colour, lw=1.2, label=name)
    pressure.invert_yaxis()
    pressure.set(xlabel="$x / c$", ylabel="$C_p$")
    friction.set(xlabel="$x / c$", ylabel="$C_f$, downstream")
    friction.axhline(0.0, color="0.7", lw=0.6, zorder=0)
    pressure.legend(frameon=False, fontsize=9)


def downstream(wall: Wall) -> Float[np.ndarray, " faces"]:
    """Return the friction along the wall, positive toward the trailing edge."""
    tangents = np.stack([-wall.normals[:, 1], wall.normals[:, 0]], -1)
    return (wall.cf * tangents).sum(1) * np.where(tangents[:, 0] >= 0.0, 1.0, -1.0)


def _values(flow: FlowField, field: str) -> Float[np.ndarray, " cells"]:
    if field == "speed":
        return np.hypot(*flow.velocity.T)
    return 2.0 * flow.pressure


def _inside(flow: FlowField, window: Sequence[float]) -> np.ndarray:
    """Return which cells are seen."""
    left, right, bottom, top = window
    x, y = flow.centres.T
    return (x > left - 0.1) & (x < right + 0.1) & (y > bottom - 0.1) & (y < top + 0.1)


def _title(predicted: FlowField, truth: FlowField | None) -> str:
    """Return incidence, Reynolds number and forces as text."""
    alpha = rf"$\alpha$ = {predicted.alpha_deg:.2f} deg"
    parts = [f"{alpha}, Re = {predicted.reynolds:.2e}"]
    for name, flow in (("prediction", predicted), ("RANS", truth)):
        if flow is not None:
            cl, cd = flow.forces["cl"], flow.forces["cd"]
            parts.append(f"{name}: $C_L$ = {cl:.4f}, $C_D$ = {cd:.5f}")
    return "    ".join(parts)


def _check(predicted: FlowField, truth: FlowField | None, field: str) -> None:
    if field not in FIELDS:
        raise FlowFileError(f"no figure of {field!r}: there are {', '.join(FIELDS)}.")
    if truth is not None and len(truth.quads) != len(predicted.quads):
        raise FlowFileError(
            f"the prediction has {len(predicted.quads)} cells and the truth {len(truth.quads)}: "
            "they are compared cell by cell. Predict on the mesh of the truth (predict_grid)."
        )
