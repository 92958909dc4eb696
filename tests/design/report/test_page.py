from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.cbook import is_math_text

from formwright.datasets.errors import ConfigError
from formwright.datasets.files import write_record
from formwright.datasets.solvers.result import stations
from formwright.design.records import AIRFOIL_FORMAT
from formwright.design.report import figures
from formwright.design.report import page as report
from formwright.design.report.page import render, write_report

TARGETS = (0.8, 1.0, 1.2, 1.4)
LABELS = ("cl", "cd", "cm", "xtr_top", "xtr_bottom")


def contour(camber: float, thickness: float) -> list[list[float]]:
    x = 0.5 * (1 - np.cos(np.linspace(0, np.pi, 80)))
    half = 5 * thickness * (0.2969 * np.sqrt(x) - 0.126 * x - 0.3516 * x**2 + 0.2843 * x**3)
    half = half + 5 * thickness * (-0.1036 * x**4)
    mean = camber * 4 * x * (1 - x)
    upper = np.stack([x, mean + half], 1)[::-1]
    return np.concatenate([upper, np.stack([x, mean - half], 1)[1:]]).tolist()


def polar(alpha: np.ndarray, reynolds: float, camber: float) -> dict[str, np.ndarray]:
    cl = 0.108 * (alpha + 110 * camber)
    cl = cl - 0.02 * np.clip(alpha - 10, 0, None) ** 1.6
    drag = 0.0062 + 0.0028 * (cl - 30 * camber) ** 2 + 4e-4 * np.clip(alpha - 8, 0, None) ** 1.7
    return {
        "cl": cl,
        "cd": drag * (reynolds / 5e5) ** -0.3,
        "cm": -2.4 * camber + 0.002 * (alpha - 4),
        "xtr_top": 1 / (1 + np.exp((alpha - 3) / 2)),
        "xtr_bottom": 1 / (1 + np.exp(-(alpha - 1) / 2)),
    }


def pressures(cl: float, thickness: float) -> dict[str, Any]:
    x = stations()
    load = cl * np.sqrt((1 - x) / (x + 0.004)) * 0.36
    return {
        "top": (-load - 4.2 * thickness * (1 - x) + 0.2 * x).tolist(),
        "bottom": (load * 0.7 - 4.2 * thickness * (1 - x) + 0.2 * x).tolist(),
    }


def polars_of(camber: float, thickness: float, reynolds: float, target: float) -> dict[str, Any]:
    alpha = np.arange(-4, 14.01, 0.5)
    claimed = polar(alpha, reynolds, camber)
    spread = {"cl": 0.02, "cd": 0.0006, "cm": 0.004, "xtr_top": 0.05, "xtr_bottom": 0.05}
    said: dict[str, Any] = {"alpha_deg": alpha.tolist()}
    for label, value in claimed.items():
        said[label] = value.tolist()
        said[f"{label}_lower"] = (value - spread[label]).tolist()
        said[f"{label}_upper"] = (value + spread[label]).tolist()
    lost, false = (alpha > 12.2), (alpha == 3.0)
    found: dict[str, Any] = {"alpha_deg": alpha.tolist()}
    for label, value in claimed.items():
        value = (
            value * (1.02 if label == "cd" else 0.99) * np.where(false & (label == "cd"), 0.5, 1)
        )
        found[label] = [None if gone else float(v) for v, gone in zip(value, lost, strict=True)]
    found["converged"] = (~lost).tolist()
    found["used"] = (~lost & ~false).tolist()
    found["reason"] = ["did not converge" if gone else "" for gone in lost]
    at = float(np.interp(target, claimed["cl"][:30], alpha[:30]))
    return {
        "reynolds": reynolds,
        "ncrit": 9.0,
        "mach": 0.0,
        "claimed": said,
        "verified": found,
        "cp": {
            "claimed": {"alpha_deg": at, **pressures(target, thickness)},
            "verified": {"alpha_deg": at + 0.1, **pressures(target * 1.02, thickness)},
        },
    }


def side_of_point(polars: dict[str, Any], target: float) -> dict[str, Any]:
    said, at = polars["claimed"], polars["cp"]["claimed"]["alpha_deg"]
    labels = {}
    for label in LABELS:
        mean, lower, upper = (
            float(np.interp(at, said["alpha_deg"], said[label + end]))
            for end in ("", "_lower", "_upper")
        )
        labels[label] = {"mean": mean, "std": (upper - lower) / 4, "lower": lower, "upper": upper}
    labels["cl"]["mean"] = target
    found = {k: v["mean"] * (1.02 if k == "cd" else 0.99) for k, v in labels.items()}
    found["cl"] = target
    return {
        "claimed": {"alpha_deg": at, "labels": labels},
        "verified": {
            "converged": True,
            "reason": "",
            "alpha_deg": at + 0.1,
            "labels": found,
            "dropped": 1,
            "within": dict.fromkeys(LABELS, True),
        },
    }


def constraint(name: str, lower: Any, upper: Any, start: Any, best: Any) -> dict[str, Any]:
    sides = {}
    for side, value in (("start", start), ("best", best)):
        ok = all(lower is None or v >= lower for v in value)
        ok = ok and all(upper is None or v <= upper for v in value)
        gap = max([0.0, *((lower or 0) - v for v in value if lower is not None)])
        sides[side] = {
            "claimed": value,
            "verified": value,
            "satisfied": ok,
            "violation": gap,
            "verified_satisfied": ok,
        }
    return {"name": name, "lower": lower, "upper": upper, **sides}


def study() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what result.json and polars.json hold."""
    reynolds = [5e5 * (target / 1.25) ** -0.5 for target in TARGETS]
    shapes = {"start": (0.0, 0.12), "best": (0.035, 0.128)}
    polars: dict[str, Any] = {
        "format_version": AIRFOIL_FORMAT,
        "stations": stations().tolist(),
        "sections": {k: {"name": k, "pos": contour(*shape)} for k, shape in shapes.items()},
    }
    for side, shape in shapes.items():
        pairs = zip(reynolds, TARGETS, strict=True)
        polars[side] = [polars_of(*shape, re, target) for re, target in pairs]
    points = [
        {
            "target_cl": target,
            "reynolds": reynolds[i],
            "ncrit": 9.0,
            "mach": 0.0,
            "weight": 5.0 + i,
            "start": side_of_point(polars["start"][i], target),
            "best": side_of_point(polars["best"][i], target),
        }
        for i, target in enumerate(TARGETS)
    ]
    history = [
        {
            "round": round_,
            "surrogate": "airfoil-polar",
            "start": start,
            "iteration": i,
            "objective": 0.079 + (0.09 + 0.01 * start) * 0.8**i / (1 + round_),
            "violation": max(0.0, 0.03 * 0.6**i - 1e-6),
        }
        for round_ in range(2)
        for start in range(2)
        for i in range(30)
    ]
    parameters = {f"upper_{i}": 0.1 + 0.01 * i for i in range(8)}
    section = {"parameters": parameters, "geometry": {"max_thickness": 0.128, "area": 0.082}}
    result = {
        "format_version": AIRFOIL_FORMAT,
        "name": "multipoint",
        "verdict": "Weighted mean drag fell from 0.1312 to 0.0791, verified by xfoil.",
        "reasons": [],
        "notes": [],
        "surrogate": {"name": "airfoil-polar", "labels": dict.fromkeys(LABELS, "1"), "level": 0.9},
        "solver": {
            "requested": "auto",
            "name": "xfoil",
            "version": "6.99",
            "why": "the xfoil binary is installed",
            "settings": {"panels": 160, "iterations": 40},
        },
        "start": {"section": "NACA 0012", "file": "start.dat", "round": None, **section},
        "best": {"section": "multipoint", "file": "best.dat", "round": 1, **section},
        "points": points,
        "objective": {
            "kind": "weighted mean drag",
            "lower_is_better": True,
            "start": {"claimed": 0.1305, "verified": 0.1312},
            "best": {"claimed": 0.0776, "verified": 0.0791},
        },
        "constraints": [
            constraint("thickness at x = 0.33", 0.128, None, [0.119], [0.1281]),
            constraint("cm", -0.133, None, [0.0, 0.001, 0.0, 0.0], [-0.08, -0.082, -0.083, -0.084]),
        ],
        "optimisation": {
            "method": {"kind": "SLSQP", "max_iterations": 100},
            "seed": 0,
            "success": True,
            "message": "converged",
            "iterations": 60,
            "evaluations": 130,
            "seconds": 4.2,
            "starts": [],
            "history": history,
        },
        "rounds": [
            {
                "round": i,
                "surrogate": "airfoil-polar",
                "claimed": claimed,
                "verified": verified,
                "feasible": True,
                "verified_feasible": True,
                "offsets": {},
            }
            for i, (claimed, verified) in enumerate(((0.0771, 0.0795), (0.0776, 0.0791)))
        ],
        "study": {"name": "multipoint", "surrogate": "airfoil-polar", "seed": 0},
        "seconds": {"optimise": 4.2, "verify": 21.0, "total": 26.3},
        "versions": {"formwright": "0.1.0", "torch": "2.13.0", "solver": "xfoil 6.99"},
        "started": "2026-11-23T06:00:00Z",
        "finished": "2026-11-23T06:00:26Z",
    }
    return result, polars


def write_study(folder: Path) -> Path:
    for name, content in zip(("result", "polars"), study(), strict=True):
        write_record(folder / f"{name}.json", content)
    return folder


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = write_study(tmp_path_factory.mktemp("study"))
    path = write_report(folder)
    assert path == folder / "report.html"
    return path.read_text(encoding="utf-8")


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = {"shapes": "", "drag": "x", "polars": ["", "", "", ""], "drag_polars": ""}
    empty |= {"pressures": "", "convergence": ""}
    monkeypatch.setattr(report, "draw", lambda result, polars: empty)


class Page(HTMLParser):
    """Reads a page: its text, the tags it opens and never closes, what it refers to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br", "link", "img"):
            self.open.append(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_report_is_one_sound_page_that_needs_nothing_else(html: str) -> None:
    page = Page(html)
    assert not page.open
    assert len(set(page.ids)) == len(page.ids)
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert not re.search(r"https?://|@import|<script|<link|<img", html)
    assert "nan" not in html.lower().replace("nano", "")


def test_report_says_what_was_asked_claimed_and_verified(html: str) -> None:
    text = Page(html).text
    result, _ = study()
    assert result["verdict"] in text
    assert "0.0791" in text and "from 0.1312, −39.7 %" in text
    assert "0.0776" in text and "the solver says +1.9 %" in text
    assert "xfoil 6.99 (the xfoil binary is installed)" in text
    assert "1 airfoil-polar 0.0771 0.0795" in " ".join(text.split())
    assert "12 of 12" in text and "4 of 4 points converged" in text
    assert "≥ −0.133" in text and "≥ 0.128" in text
    for point in result["points"]:
        cd = 1e4 * point["best"]["verified"]["labels"]["cd"]
        assert f"{cd:.1f}" in text


def test_report_has_a_figure_of_everything(html: str) -> None:
    points = len(TARGETS)
    names = ["shapes", "drag", "drag-polars", "pressures", "convergence"]
    names += [f"polar{i}" for i in range(points)]
    for name in names:
        assert f'id="{name}-figure_1"' in html
    for colour in ("#0a0b0", "#000000"):
        assert colour not in html


def test_figures_are_the_same_every_time() -> None:
    result, polars = study()
    assert figures.shapes(polars) == figures.shapes(polars)
    assert figures.drag_by_point(result) == figures.drag_by_point(result)


def test_a_point_that_was_not_verified_says_why(no_figures: None) -> None:
    result, polars = study()
    best = result["points"][1]["best"]["verified"]
    nothing: dict[str, Any] = dict.fromkeys(LABELS)
    best |= {"converged": False, "reason": "no sweep reached this lift", "alpha_deg": None}
    best |= {"labels": nothing, "within": {}}
    result["objective"]["best"]["verified"] = None
    result["constraints"][1]["best"] |= {"verified": [], "verified_satisfied": None}
    polars["best"][1]["cp"] = {"claimed": None, "verified": None}
    text = Page(render(result, polars)).text
    assert "not verified: no sweep reached this lift" in text
    assert "3 of 4 points converged" in text and "9 of 9" in text
    assert "1 of 4 points could not be verified" in text


def test_a_broken_promise_is_marked(no_figures: None) -> None:
    result, polars = study()
    result["constraints"][0]["best"] |= {"verified_satisfied": False}
    result["points"][0]["best"]["verified"]["within"]["cd"] = False
    result["optimisation"]["success"] = False
    html = render(result, polars)
    assert "The optimiser did not succeed: converged." in html
    assert "✗ no" in html and '<td class="bad">' in html and "11 of 12" in html
    assert "1 of 2 as verified" in Page(html).text


def test_a_single_point_without_a_lift_target_has_a_report() -> None:
    result, polars = study()
    result["points"] = result["points"][:1]
    result["points"][0]["target_cl"] = None
    result["optimisation"]["history"] = []
    for side in ("start", "best"):
        polars[side] = polars[side][:1]
    html = render(result, polars)
    assert "Convergence" not in Page(html).text and 'id="polar0-figure_1"' in html


def test_names_are_escaped(no_figures: None) -> None:
    result, polars = study()
    result["name"] = "<script>alert(1)</script>"
    result["constraints"][0]["name"] = "a < b & c"
    html = render(result, polars)
    assert "<script" not in html and "a &lt; b &amp; c" in html


@pytest.mark.parametrize("name", ["x$^y$", "_best", "a$b"])
def test_names_are_drawn_as_they_are(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []

    def legend(axis: Axes, **_: object) -> None:
        drawn.extend(axis.get_legend_handles_labels()[1])

    monkeypatch.setattr(Axes, "legend", legend)
    _, polars = study()
    polars["sections"]["best"]["name"] = name
    figures.shapes(polars)
    assert len(drawn) == 2
    assert not is_math_text(drawn[1]) and drawn[1].replace(r"\$", "$").strip() == name


@pytest.mark.filterwarnings("ignore::formwright.datasets.errors.IntegrityWarning")
@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "optimize"), ("{", "damaged"), ('{"format_version": 99}', "99")],
    ids=["absent", "damaged", "newer"],
)
def test_a_folder_that_cannot_be_read_is_a_named_error(
    content: str | None, said: str, tmp_path: Path
) -> None:
    folder = write_study(tmp_path)
    (folder / "result.json").unlink()
    if content is not None:
        (folder / "result.json").write_text(content)
    with pytest.raises(ConfigError, match=said):
        write_report(folder)
