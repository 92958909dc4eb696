"""``formwright corpus``: many cases, solved on all cores; stopped at any time, it goes on."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from cyclopts import App, Parameter
from cyclopts.validators import Number
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from formwright.commands.options import (
    Config,
    Folder,
    Hours,
    Json,
    MaybeOut,
    Out,
    Part,
    Quiet,
    Sections,
    Seed,
    Where,
    Workers,
    seconds,
)
from formwright.commands.output import tell

HELP: Final = """Generate and inspect corpora: cases, labels and their provenance on disk.

```text
formwright corpus polars --out corpora/polars --sections 5000
formwright corpus rans --out corpora/rans --flows 400
formwright corpus flows --out corpora/flows --sections 4096
formwright corpus panel-fields --out corpora/panel-fields --sections 256
formwright corpus waves --out corpora/burgers --equation burgers --runs 4096
formwright corpus info corpora/polars
```
"""
app = App(name="corpus", help=HELP, help_format="markdown")
T = TypeVar("T")


@app.command
def polars(
    *,
    out: Out,
    sections: Sections = None,
    seed: Seed = None,
    split: Part = None,
    solver: Literal["xfoil", "panel"] | None = None,
    config: Config = None,
    workers: Workers = None,
    executor: Where = None,
    hours: Hours = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Compute polars of database sections and of random blends of them, by XFoil.

    ```text
    formwright corpus polars --out corpora/polars --sections 5000
    formwright corpus polars --out corpora/test --sections 300 --split test --seed 7
    formwright corpus polars --out corpora/mine --config recipe.toml --hours 8
    ```

    Run the same command again to go on after a stop, or with more sections to extend the corpus.
    Families of sections are kept in one split, and no blend reaches across splits.

    Args:
        solver: `xfoil`, or the embedded `panel` method, which needs no program.
    """
    from formwright.datasets.airfoils.polars import PolarCorpus, generate
    from formwright.datasets.executors import opened
    from formwright.datasets.solvers.panel.solver import Panel

    flags = {"sections": sections, "seed": seed, "split": split}
    recipe = recipe_of(PolarCorpus, config, flags)
    if solver == "panel":
        recipe = dataclasses.replace(recipe, solver=Panel())
    with opened(executor, workers) as where:
        corpus = generate(
            recipe,
            out,
            executor=where.executor,
            workers=where.workers,
            time_limit_s=seconds(hours),
            progress=not quiet,
        )
    describe(corpus.path, json=json)


@app.command
def rans(
    *,
    out: Out,
    flows: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    seed: Seed = None,
    coarse: bool = False,
    config: Config = None,
    workers: Workers = None,
    executor: Where = None,
    hours: Hours = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Compute RANS cases of database and NACA sections, by OpenFOAM.

    ```text
    formwright corpus rans --out corpora/rans --flows 400
    formwright corpus rans --out corpora/rans --flows 800 --hours 8
    formwright corpus rans --out corpora/rans-coarse --coarse
    ```

    Sections of the training, validation and test families take turns, so that every beginning of
    the corpus is a fair sample. Run the same command again to go on after a stop, or with more
    cases to extend the corpus; what failed stays as a row with its reason.

    Args:
        flows: How many cases.
        coarse: Every second line of the mesh, a quarter of the time, drag some 10 % too high; only
            sections of the training families: to pretrain on before the first expensive case.
    """
    from formwright.datasets.config import to_mapping
    from formwright.datasets.executors import opened
    from formwright.datasets.rans.cases import COARSE, RansCorpus
    from formwright.datasets.rans.corpus import generate

    usual = to_mapping(COARSE) if coarse else None
    with opened(executor, workers) as where:
        corpus = generate(
            recipe_of(RansCorpus, config, {"cases": flows, "seed": seed}, usual),
            out,
            executor=where.executor,
            workers=where.workers,
            time_limit_s=seconds(hours),
            progress=not quiet,
        )
    describe(corpus.path, json=json)


@app.command
def flows(
    *,
    out: Out,
    sections: Sections = None,
    seed: Seed = None,
    split: Part = None,
    config: Config = None,
    hours: Hours = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Compute an unlabeled corpus: sections with pressure and boundary layer by the panel method.

    ```text
    formwright corpus flows --out corpora/flows --sections 4096
    ```

    It is what `formwright pretrain` learns from. Run the same command again to go on after a stop.
    """
    from formwright.surrogate.airfoils.flow_corpus import FlowCorpus, generate_flows

    flags = {"sections": sections, "seed": seed, "split": split}
    recipe = recipe_of(FlowCorpus, config, flags)
    steps = generate_flows(recipe, out)
    done = follow("sections", recipe.sections, steps, hours, quiet=quiet)
    figures = {"sections": done, "requested": recipe.sections, "out": str(out)}
    tell(f"{done:,} of {recipe.sections:,} sections: {out}", figures, json=json)


@app.command
def panel_fields(
    *,
    out: Out,
    sections: Sections = None,
    seed: Seed = None,
    split: Part = None,
    config: Config = None,
    hours: Hours = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Compute an unlabeled corpus of flow fields: potential flow on coarse meshes, several a case.

    ```text
    formwright corpus panel-fields --out corpora/panel-fields --sections 256
    formwright pretrain rans-fields corpora/panel-fields --out runs/masked-cells
    ```

    It is what networks of RANS fields are pretrained on. Run the same command again to go on after
    a stop; a corpus of a multiple of 32 sections is extended by asking for more.
    """
    from formwright.surrogate.rans.fields.panel_field_corpus import (
        PanelFieldCorpus,
        generate_panel_fields,
    )

    flags = {"sections": sections, "seed": seed, "split": split}
    recipe = recipe_of(PanelFieldCorpus, config, flags)
    steps = generate_panel_fields(recipe, out)
    done = follow("sections", recipe.sections, steps, hours, quiet=quiet)
    cases, meshes = done * recipe.incidences, recipe.meshes
    figures = {"sections": done, "requested": recipe.sections, "cases": cases, "meshes": meshes}
    line = f"{done:,} of {recipe.sections:,} sections, {cases:,} cases on {meshes} meshes each"
    tell(f"{line}: {out}", {**figures, "out": str(out)}, json=json)


@app.command
def waves(
    *,
    out: Out,
    equation: str,
    runs: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    seed: Seed = None,
    split: Part = None,
    config: Config = None,
    hours: Hours = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Compute runs of an unsteady equation from random initial states, by a spectral solver.

    ```text
    formwright corpus waves --equation burgers --runs 4096 --out corpora/burgers
    formwright corpus waves --equation flow2d --runs 256 --split test --out corpora/flow
    ```

    The files are HDF5 in The Well's layout; the parameters of each run are its labels. Run the same
    command again to go on after a stop.

    Args:
        equation: `burgers`, `kuramoto-sivashinsky`, `kdv` or `flow2d`.
        runs: How many.
    """
    from formwright.datasets.config import to_mapping
    from formwright.datasets.pde.corpus import WaveCorpus, generate_waves
    from formwright.datasets.pde.corpus import recipe_of as usual
    from formwright.datasets.pde.well_write import read_header

    flags = {"runs": runs, "seed": seed, "split": split}
    recipe = recipe_of(WaveCorpus, config, flags, to_mapping(usual(equation)))
    done = follow("runs", recipe.runs, generate_waves(recipe, out), hours, quiet=quiet)
    paths = sorted(out.glob(f"waves-{recipe.split}-*.hdf5"))
    failures = [reason for path in paths for reason in read_header(path)["failures"]]
    good = done - len(failures)
    lines = [f"{good:,} of {recipe.runs:,} runs: {out}"]
    lines += [f"left out: {reason}" for reason in failures[:5]]
    if len(failures) > 5:
        lines.append(f"left out: {len(failures) - 5:,} more; the files name them")
    figures = {"runs": good, "requested": recipe.runs, "failures": failures, "out": str(out)}
    tell("\n".join(lines), figures, json=json)


@app.command
def airfrans(
    dataset: Path,
    *,
    out: MaybeOut = None,
    task: Literal["full", "scarce", "reynolds", "aoa"] = "full",
    fetch: bool = False,
    workers: Workers = None,
    hours: Hours = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Look over, fetch and convert the AirfRANS dataset.

    ```text
    formwright corpus airfrans data/airfrans --fetch
    formwright corpus airfrans data/airfrans/Dataset
    formwright corpus airfrans data/airfrans/Dataset --out corpora/airfrans --task scarce
    ```

    Without `--out` it says which cases each task has and which files are missing. With it, the
    cases become rows and flow records as those of `formwright corpus rans`, in the official split.
    A case that cannot be read is a row with its reason. Run the same command again to go on.

    Args:
        dataset: Folder with `manifest.json`; with `--fetch`, where to put the dataset.
        task: Whose split is kept.
        fetch: Download first (about 10 GB), going on where an earlier call stopped.
    """
    from formwright.datasets.rans.airfrans import corpus as airfrans_corpus

    if fetch:
        dataset, digest = airfrans_corpus.fetch(dataset)
        print(f"{dataset}, sha256 of the zip file {digest}", file=sys.stderr)
    if out is None:
        describe_airfrans(dataset, json=json)
        return
    corpus = airfrans_corpus.convert(
        dataset,
        out,
        task=task,
        workers=workers,
        time_limit_s=seconds(hours),
        progress=not quiet,
    )
    describe(corpus.path, json=json)


@app.command
def info(folder: Folder, *, json: Json = False) -> None:
    """Describe a corpus: how it was made, how many points it holds, why points are missing.

    ```text
    formwright corpus info corpora/polars
    ```
    """
    describe(folder, json=json)


def recipe_of(
    kind: type[T],
    config: Path | None,
    flags: Mapping[str, Any],
    usual: Mapping[str, Any] | None = None,
) -> T:
    """Return a recipe: usual values, over them the file, over it the flags that are given."""
    from formwright.datasets.config import from_mapping, read_toml

    values = {**(usual or {}), **({} if config is None else read_toml(config))}
    values |= {name: value for name, value in flags.items() if value is not None}
    return from_mapping(kind, values, where=str(config or "the recipe"))


def follow(what: str, total: int, steps: Iterable[int], hours: float | None, *, quiet: bool) -> int:
    """Go through the steps of a generation with a progress bar; return how far it came."""
    from rich.progress import Progress

    done, began = 0, time.monotonic()
    with Progress(console=Console(stderr=True), disable=quiet) as bar:
        task = bar.add_task(what, total=total)
        for done in steps:
            bar.update(task, completed=done)
            if hours is not None and time.monotonic() - began > 3600.0 * hours:
                break
    return done


def describe(folder: Path, *, json: bool) -> None:
    """Print what a corpus holds."""
    from collections import Counter

    import pyarrow.compute as pc

    from formwright.datasets.corpus import open_corpus

    corpus = open_corpus(folder)
    rows = corpus.read(["case_id", "split", "converged", "reason"])
    converged = rows["converged"].to_numpy()
    reasons = rows.filter(pc.invert(rows["converged"]))["reason"].to_pylist()  # pyright: ignore
    parts = Counter(rows["split"].to_pylist())
    good = Counter(rows.filter(rows["converged"])["split"].to_pylist())
    names = ("name", "solver", "seed", "licence", "split_rule", "created", "formwright")
    figures = {
        "folder": str(folder),
        **{name: corpus.manifest.get(name) for name in names},
        "cases": len(set(rows["case_id"].to_pylist())),
        "points": len(rows),
        "converged": int(converged.sum()),
        "splits": {k: {"points": parts[k], "converged": good[k]} for k in sorted(parts)},
        "reasons": dict(Counter(text.partition("; ")[0] for text in reasons).most_common(5)),
    }
    if json:
        tell("", figures, json=True)
        return
    table = Table(title=escape(str(folder)), show_header=False, title_justify="left")
    for name in names:
        table.add_row(name.replace("_", " "), escape(str(corpus.manifest.get(name, "-"))))
    table.add_row("cases", f"{figures['cases']:,}")
    table.add_row("points", f"{len(rows):,}, {figures['converged']:,} converged")
    for part, counts in figures["splits"].items():
        table.add_row(part, f"{counts['points']:,} points, {counts['converged']:,} converged")
    for reason, count in figures["reasons"].items():
        table.add_row("not converged", f"{count:,}: {escape(reason)}")
    Console(highlight=False).print(table)


def describe_airfrans(folder: Path, *, json: bool) -> None:
    """Print the parts of an AirfRANS folder, and how many of their cases lack files."""
    from formwright.datasets.rans.airfrans.cases import read_manifest
    from formwright.datasets.rans.airfrans.corpus import absent_files

    parts, absent = read_manifest(folder), absent_files(folder)
    if json:
        counts = {k: {"cases": len(v), "lack_files": absent[k]} for k, v in parts.items()}
        return tell("", {"folder": str(folder), "parts": counts}, json=True)
    table = Table(title=escape(str(folder)), show_header=False, title_justify="left")
    for part, names in parts.items():
        lacking = f", {absent[part]:,} lack files" if absent[part] else ""
        table.add_row(part.replace("_", " "), f"{len(names):,} cases{lacking}")
    Console(highlight=False).print(table)
