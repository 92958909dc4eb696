"""Fill the README's tables from ``benchmarks/results``, so that it can quote no other number."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from _common import RESULTS, ROOT, cells

BEGIN: Final = "<!-- benchmarks: begin -->"
END: Final = "<!-- benchmarks: end -->"


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


def filled(readme: str, found: Sequence[Mapping[str, Any]]) -> str:
    """Return the README with the tables of ``found`` between its markers."""
    tables = "\n".join(section(record) for record in found)
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if len(pattern.findall(readme)) != 1:
        raise ValueError(f"README.md needs the markers {BEGIN} and {END}, once each.")
    return pattern.sub(lambda _: f"{BEGIN}\n\n{tables}\n{END}", readme)


def main() -> int:
    """Fill README.md; with ``--check`` only say whether it is up to date."""
    path = ROOT / "README.md"
    before = path.read_text(encoding="utf-8")
    after = filled(before, records())
    if "--check" in sys.argv:
        print("README.md is up to date" if after == before else "README.md: run `make readme`")
        return int(after != before)
    if after != before:
        path.write_text(after, encoding="utf-8")
        print("README.md filled from benchmarks/results")
    return 0


if __name__ == "__main__":
    sys.exit(main())
