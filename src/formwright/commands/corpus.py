"""``formwright corpus``: many cases, solved on all cores; stopped at any time, it goes on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from cyclopts import App
from rich.console import Console
from rich.markup import escape
from rich.table import Table

HELP: Final = """Generate and inspect corpora: cases, labels and their provenance on disk.

```text
formwright corpus polars --out corpora/polars --sections 5000
formwright corpus rans --out corpora/rans --cases 400
formwright corpus flows --out corpora/flows --sections 4096
formwright corpus panel-fields --out corpora/panel-fields --sections 256
formwright corpus waves --out corpora/burgers --equation burgers --runs 4096
formwright corpus info corpora/polars
```
"""
app = App(name="corpus", help=HELP, help_format="markdown")
Split = Literal["train", "validation", "test"]
T = TypeVar("T")


@app.command
def polars(
    *,
    out: Path,
    sections: int | None = None,
    seed: int | None = None,
    split: Split | None = None,
    solver: Literal["xfoil", "panel"] | None = None,
    config: Path | None = None,
    workers: int | None = None,
    executor: str | None = None,
    hours: float | None = None,
    quiet: bool = False,
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
        out: The corpus's folder.
        sections: How many sections.
        seed: Of everything random.
        split: Whose families the sections come from.
        solver: `xfoil`, or the embedded `panel` method, which needs no program.
        config: TOML with any attribute of the recipe (docs/corpora.md); flags go before it.
        workers: Processes at a time; one a core where not given.
        executor: `processes:N`, or `dask:tcp://HOST:PORT` of a running Dask scheduler whose workers
            see the same folders (docs/corpora.md).
        hours: Start no section after this time.
        quiet: Show no progress bar.
    """
    from formwright.datasets.airfoils.polars import PolarCorpus, generate
    from formwright.datasets.executors import opened
    from formwright.datasets.solvers.panel.solver import Panel

    flags = {"sections": sections, "seed": seed, "split": split}
    polar_corpus = recipe_of(PolarCorpus, config, flags)
    if solver == "panel":
        polar_corpus = dataclasses.replace(polar_corpus, solver=Panel())
    with opened(executor, workers) as where:
        corpus = generate(
            polar_corpus,
            out,
            executor=where.executor,
            workers=where.workers,
            time_limit_s=None if hours is None else 3600.0 * hours,
            progress=not quiet,
        )
    describe(corpus.path)


@app.command
def rans(
    *,
    out: Path,
    cases: int | None = None,
    seed: int | None = None,
    coarse: bool = False,
    config: Path | None = None,
    workers: int | None = None,
    executor: str | None = None,
    hours: float | None = None,
    quiet: bool = False,
) -> None:
    """Compute RANS cases of database and NACA sections, by OpenFOAM.

    ```text
    formwright corpus rans --out corpora/rans --cases 400
    formwright corpus rans --out corpora/rans --cases 800 --hours 8
    formwright corpus rans --out corpora/rans-coarse --coarse
    ```

    Sections of the training, validation and test families take turns, so that every beginning of
    the corpus is a fair sample. Run the same command again to go on after a stop, or with more
    cases to extend the corpus; what failed stays as a row with its reason.

    Args:
        out: The corpus's folder; the whole flows go to `flows/` in it.
        cases: How many.
        seed: Of everything random.
        coarse: Every second line of the mesh, a quarter of the time, drag some 10 % too high; only
            sections of the training families: to pretrain on before the first dear case.
        config: TOML with any attribute of the recipe (docs/corpora.md); flags go before it.
        workers: Processes at a time; one a core where not given.
        executor: `processes:N`, or `dask:tcp://HOST:PORT` of a running Dask scheduler whose workers
            see the same folders (docs/corpora.md).
        hours: Start no case after this time.
        quiet: Show no progress bar.
    """
    from formwright.datasets.config import to_mapping
    from formwright.datasets.executors import opened
    from formwright.datasets.rans.cases import COARSE, RansCorpus
    from formwright.datasets.rans.corpus import generate

    usual = to_mapping(COARSE) if coarse else None
    recipe = recipe_of(RansCorpus, config, {"cases": cases, "seed": seed}, usual)
    with opened(executor, workers) as where:
        corpus = generate(
            recipe,
            out,
            executor=where.executor,
            workers=where.workers,
            time_limit_s=None if hours is None else 3600.0 * hours,
            progress=not quiet,
        )
    describe(corpus.path)


@app.command
def flows(
    *,
    out: Path,
    sections: int | None = None,
    seed: int | None = None,
    split: Split | None = None,
    config: Path | None = None,
) -> None:
    """Compute an unlabeled corpus: sections with pressure and boundary layer by the panel method.

    ```text
    formwright corpus flows --out corpora/flows --sections 4096
    ```

    It is what `formwright pretrain` learns from. Run the same command again to go on after a stop.

    Args:
        out: The corpus's folder.
        sections: How many sections.
        seed: Of everything random.
        split: Whose families the sections come from.
        config: TOML with any attribute of `FlowCorpus`; flags go before it.
    """
    from formwright.surrogate.airfoils.flow_corpus import FlowCorpus, generate_flows

    flags = {"sections": sections, "seed": seed, "split": split}
    recipe = recipe_of(FlowCorpus, config, flags)
    follow("sections", recipe.sections, generate_flows(recipe, out))
    print(f"{recipe.sections:,} sections: {out}")


@app.command
def panel_fields(
    *,
    out: Path,
    sections: int | None = None,
    seed: int | None = None,
    split: Split | None = None,
    config: Path | None = None,
) -> None:
    """Compute an unlabeled corpus of flow fields: potential flow on coarse meshes, several a case.

    ```text
    formwright corpus panel-fields --out corpora/panel-fields --sections 256
    formwright pretrain --fields corpora/panel-fields --out runs/masked-cells
    ```

    It is what networks of RANS fields are pretrained on. Run the same command again to go on after
    a stop; a corpus of a multiple of 32 sections is extended by asking for more.

    Args:
        out: The corpus's folder.
        sections: How many sections.
        seed: Of everything random.
        split: Whose families the sections come from.
        config: TOML with any attribute of `PanelFieldCorpus`; flags go before it.
    """
    from formwright.surrogate.rans.fields.panel_field_corpus import (
        PanelFieldCorpus,
        generate_panel_fields,
    )

    flags = {"sections": sections, "seed": seed, "split": split}
    recipe = recipe_of(PanelFieldCorpus, config, flags)
    follow("sections", recipe.sections, generate_panel_fields(recipe, out))
    cases = recipe.sections * recipe.incidences
    print(f"{recipe.sections:,} sections, {cases:,} cases on {recipe.meshes} meshes each: {out}")


@app.command
def waves(
    *,
    out: Path,
    equation: str,
    runs: int | None = None,
    seed: int | None = None,
    split: Split | None = None,
    config: Path | None = None,
) -> None:
    """Compute runs of an unsteady equation from random initial states, by a spectral solver.

    ```text
    formwright corpus waves --equation burgers --runs 4096 --out corpora/burgers
    formwright corpus waves --equation flow2d --runs 256 --split test --out corpora/flow
    ```

    The files are HDF5 in The Well's layout; the parameters of each run are its labels. Run the same
    command again to go on after a stop.

    Args:
        out: The corpus's folder.
        equation: `burgers`, `kuramoto-sivashinsky`, `kdv` or `flow2d`.
        runs: How many.
        seed: Of everything random.
        split: Runs of different splits are drawn apart.
        config: TOML with any attribute of `WaveCorpus`; flags go before it.
    """
    from formwright.datasets.config import to_mapping
    from formwright.datasets.pde.corpus import WaveCorpus, generate_waves
    from formwright.datasets.pde.corpus import recipe_of as usual
    from formwright.datasets.pde.well_write import read_header

    flags = {"runs": runs, "seed": seed, "split": split}
    recipe = recipe_of(WaveCorpus, config, flags, to_mapping(usual(equation)))
    follow("runs", recipe.runs, generate_waves(recipe, out))
    paths = sorted(out.glob(f"waves-{recipe.split}-*.hdf5"))
    failures = [reason for path in paths for reason in read_header(path)["failures"]]
    print(f"{recipe.runs - len(failures):,} runs: {out}")
    for reason in failures[:5]:
        print(f"left out: {reason}")
    if len(failures) > 5:
        print(f"left out: {len(failures) - 5:,} more; the files name them")


@app.command
def airfrans(
    folder: Path,
    *,
    out: Path | None = None,
    task: Literal["full", "scarce", "reynolds", "aoa"] = "full",
    fetch: bool = False,
    workers: int | None = None,
    quiet: bool = False,
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
        folder: The one with `manifest.json`; with `--fetch`, where to put the dataset.
        out: The corpus's folder.
        task: Whose split is kept.
        fetch: Download first (about 10 GB), going on where an earlier call stopped.
        workers: Processes at a time; one a core where not given.
        quiet: Show no progress bar.
    """
    from formwright.datasets.rans.airfrans import corpus as airfrans_corpus

    if fetch:
        folder, digest = airfrans_corpus.fetch(folder)
        print(f"{folder}, sha256 of the zip file {digest}")
    if out is not None:
        corpus = airfrans_corpus.convert(
            folder, out, task=task, workers=workers, progress=not quiet
        )
        describe(corpus.path)
        return
    describe_airfrans(folder)


@app.command
def info(folder: Path) -> None:
    """Describe a corpus: how it was made, how many points it holds, why points are missing.

    ```text
    formwright corpus info corpora/polars
    ```

    Args:
        folder: The corpus's folder.
    """
    describe(folder)


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


def follow(what: str, total: int, steps: Iterable[int]) -> None:
    """Go through the steps of a generation with a progress bar."""
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)
        for done in steps:
            bar.update(task, completed=done)


def describe(folder: Path) -> None:
    """Print what a corpus holds."""
    from collections import Counter

    import pyarrow.compute as pc

    from formwright.datasets.corpus import open_corpus

    corpus = open_corpus(folder)
    rows = corpus.read(["case_id", "split", "converged", "reason"])
    converged = rows["converged"].to_numpy()
    reasons = rows.filter(pc.invert(rows["converged"]))["reason"].to_pylist()  # pyright: ignore
    most = Counter(reason.partition("; ")[0] for reason in reasons).most_common(5)
    parts = Counter(zip(rows["split"].to_pylist(), converged.tolist(), strict=True))
    table = Table(title=escape(str(folder)), show_header=False, title_justify="left")
    manifest = corpus.manifest
    for name in ("name", "solver", "seed", "licence", "split_rule", "created", "formwright"):
        table.add_row(name.replace("_", " "), escape(str(manifest.get(name, "-"))))
    table.add_row("cases", f"{len(set(rows['case_id'].to_pylist())):,}")
    table.add_row("points", f"{len(rows):,}, {int(converged.sum()):,} converged")
    for part in sorted({part for part, _ in parts}):
        total = parts[part, True] + parts[part, False]
        table.add_row(f"{part}", f"{total:,} points, {parts[part, True]:,} converged")
    for reason, count in most:
        table.add_row("not converged", f"{count:,}: {escape(reason)}")
    Console(highlight=False).print(table)


def describe_airfrans(folder: Path) -> None:
    """Print the parts of an AirfRANS folder, and how many of their cases lack files."""
    from formwright.datasets.rans.airfrans.cases import read_manifest
    from formwright.datasets.rans.airfrans.corpus import absent_files

    absent = absent_files(folder)
    table = Table(title=escape(str(folder)), show_header=False, title_justify="left")
    for part, names in read_manifest(folder).items():
        lacking = f", {absent[part]:,} lack files" if absent[part] else ""
        table.add_row(part.replace("_", " "), f"{len(names):,} cases{lacking}")
    Console(highlight=False).print(table)
