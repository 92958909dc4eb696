"""Fill the tables of README, docs/benchmarks.md and docs/trust.md from ``benchmarks/results``."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from _common import RESULTS, ROOT, cells, short

BEGIN: Final = "<!-- benchmarks: begin -->"
END: Final = "<!-- benchmarks: end -->"


@dataclass(frozen=True, slots=True)
class Headline:
    """A line of the README's table.

    Attributes:
        what: Is compared.
        name: Of the benchmark.
        column: Of its value; empty where that is one number.
        peer: Beside it; empty for none.
    """

    what: str
    name: str
    column: str = ""
    peer: str = ""


FAR: Final = "NeuralFoil 0.3.3 xxxlarge"
TRIPPED: Final = "XFoil 6.99, tripped at .01"
HEADLINES: Final = (
    Headline("lift of sections of unseen families, against XFoil", "polar-accuracy", "cl", FAR),
    Headline("ln(drag) of the same", "polar-accuracy", "ln_cd", FAR),
    Headline("cases a second", "polar-throughput", "", "NeuralFoil 0.3.3 xlarge"),
    Headline(
        "drag of a six-point design, XFoil's verdict",
        "multipoint-design",
        "verified",
        "AeroSandbox 4.2.10 + NeuralFoil 0.3.3",
    ),
    Headline(
        "designs better than their start, of 20, XFoil apart",
        "design-suite",
        "better than the start",
        "AeroSandbox 4.2.10 + NeuralFoil 0.3.3",
    ),
    Headline("verdicts inside the 90 % interval at designs", "design-coverage", "all"),
    Headline("relative error of drag against RANS", "rans-drag", "relative", TRIPPED),
    Headline("times as fast as OpenFOAM, with fields", "rans-speed", "fields on the mesh"),
    Headline(
        "adsorption energy on unseen alloys, eV",
        "adsorption-accuracy",
        "",
        "gradient-boosted trees, hand features",
    ),
    Headline("the same from 100 labels, eV", "adsorption-label-efficiency", "100", "from scratch"),
    Headline("designed alloys that DFT confirms", "her-design", "", "Optuna TPE"),
    Headline("viscosity of a flow from 16 labels", "burgers-probe", "16", "from scratch"),
)


def records(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """Return the committed results, by name."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]


def section(record: Mapping[str, Any]) -> str:
    """Return one benchmark as Markdown: claim, table, how to measure it again."""
    value = record["value"]
    columns = list(value) if isinstance(value, Mapping) else ["value"]
    interval = record["interval"]
    lines = [
        f"**{record['name']}.** {record['claim']}",
        "",
        row(["", *columns]),
        row(["---", *["---:"] * len(columns)]),
        row(["**formwright**", *(f"**{cell}**" for cell in cells(value, columns))]),
    ]
    if isinstance(interval, Mapping):
        lines.append(row(["interval", *(ends(interval.get(column)) for column in columns)]))
    lines += [row([name, *cells(other, columns)]) for name, other in record["peers"].items()]
    facts = [f"{record['unit']}, {record['better']} is better", record["split"]]
    if interval is not None and not isinstance(interval, Mapping):
        facts.append(f"interval {ends(interval)}")
    if record["seeds"]:
        facts.append(plural(len(record["seeds"]), "seed"))
    facts += [plural(record["threads"], "thread"), record["date"], f"`{record['command']}`"]
    note = record.get("notes", "")
    return "\n".join([*lines, "", "; ".join(facts) + "." + (f" {note}" if note else ""), ""])


def row(cells_: Sequence[str]) -> str:
    """Return a row of a Markdown table."""
    return "| " + " | ".join(cells_) + " |"


def plural(count: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def ends(interval: Sequence[float] | None) -> str:
    """Return an interval as text."""
    return "-" if interval is None else " to ".join(f"{end:.4g}" for end in interval)


def headlines(found: Sequence[Mapping[str, Any]]) -> str:
    """Return the README's table."""
    known = {record["name"]: record for record in found}
    lines = [row(["", "formwright", "beside it", ""]), row(["---", "---:", "---:", "---"])]
    for line in HEADLINES:
        record = known[line.name]
        own, other = (
            side.get(line.column) if isinstance(side, Mapping) else side
            for side in (record["value"], record["peers"].get(line.peer))
        )
        beside = short(other) if line.peer else ""
        lines.append(row([line.what, f"**{short(own)}**", beside, line.peer]))
    return "\n".join([*lines, ""])


def trust(found: Sequence[Mapping[str, Any]]) -> str:
    """Return the tables of the page on trust: studies with guards off, on, refitting; coverage."""
    known = {record["name"]: record for record in found}
    record = known["design-trust"]
    sides = {**record["peers"], "the defaults": record["value"]}
    lines = [row(["of 20 studies", *sides]), row(["---", *["---:"] * len(sides)])]
    lines += [row([what, *(short(s[what]) for s in sides.values())]) for what in record["value"]]
    covered = known["design-coverage"]["value"]
    lines += ["", row(["verdicts inside the 90 % interval", "share"]), row(["---", "---:"])]
    lines += [row([kind, f"{100 * share:.0f} %"]) for kind, share in covered.items()]
    return "\n".join([*lines, ""])


def filled(page: str, tables: str) -> str:
    """Return a page with tables between its markers."""
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if len(pattern.findall(page)) != 1:
        raise ValueError(f"the page needs the markers {BEGIN} and {END}, once each.")
    return pattern.sub(lambda _: f"{BEGIN}\n\n{tables}\n{END}", page)


def pages() -> dict[Path, str]:
    """Return the pages and what stands between their markers."""
    found = records()
    every = "\n".join(section(record) for record in found)
    return {
        ROOT / "README.md": headlines(found),
        ROOT / "docs" / "benchmarks.md": every,
        ROOT / "docs" / "trust.md": trust(found),
    }


def main() -> int:
    """Fill the pages; with ``--check`` only say whether they are up to date."""
    stale = []
    for path, tables in pages().items():
        before = path.read_text(encoding="utf-8")
        after = filled(before, tables)
        if after != before:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(after, encoding="utf-8")
    names = ", ".join(stale)
    said = f"{names}: run `make readme`" if "--check" in sys.argv else f"filled {names}"
    print(said if stale else "the pages are up to date")
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
