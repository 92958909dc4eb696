"""``formwright evaluate-pretraining``: does pretraining pay on a corpus of one's own?"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from formwright.commands.output import split_names


def evaluate_pretraining(
    kind: Literal["polar", "adsorption", "runs", "table", "structures"],
    corpus: list[Path],
    *,
    label: str,
    unlabeled: Path | None = None,
    objectives: list[str] | None = None,
    views: list[str] | None = None,
    sizes: list[str] | None = None,
    seeds: int | None = None,
    steps: int | None = None,
    config: Path | None = None,
    out: Path = Path("runs/pretraining"),
) -> None:
    """Measure whether pretraining pays for one label, and which objective: curve and report.

    ```text
    formwright evaluate-pretraining polar corpora/polars --label cd --unlabeled corpora/flows
    formwright evaluate-pretraining runs corpora/burgers --label viscosity \
        --objectives vicreg,simclr
    formwright evaluate-pretraining runs kdv --label dispersion --views window --views time-lag
    ```

    For each number of labelled cases it compares pretrained encoders, frozen and fine-tuned, with
    training from scratch at the same tuning budget, and with what needs no pretraining: the mean,
    principal components, hand-made features, a random encoder. Validation chooses, the test split
    judges. Stopped, the same command goes on; a folder of other data or settings is refused.

    Args:
        kind: What the encoder is to serve.
        corpus: Labelled corpus: polars (several folders may share the splits), a file of slabs with
            adsorbates, runs of an unsteady equation, or what `formwright import` made.
        label: What is to be predicted: a label of the corpus.
        unlabeled: More cases without labels; for polars sections with flows (`formwright corpus
            flows`).
        objectives: Names, with commas or one by one; `formwright pretrain --help` lists them.
        views: Names with commas, in the order applied; given again, another set to compare. Each
            set is tried with each objective. `formwright pretrain --help` lists them; one that
            destroys the label is refused.
        sizes: Numbers of labelled cases, with commas or one by one; as many as the corpus allows of
            50, 200, 1000 if not given.
        seeds: Draws of labelled cases, 5 if not given; fewer make a wide interval.
        steps: Steps of every pretraining.
        config: TOML with any attribute of `EvaluationConfig`; flags go before it.
        out: Folder for results, pretrained weights and `report.html`.
    """
    from formwright.datasets.config import from_mapping, read_toml
    from formwright.datasets.files import write_json
    from formwright.surrogate.label_efficiency.curves import record
    from formwright.surrogate.label_efficiency.protocol import EvaluationConfig
    from formwright.surrogate.label_efficiency.protocol import evaluate_pretraining as evaluate
    from formwright.surrogate.label_efficiency.report import write_report
    from formwright.surrogate.pretraining.choices import objective_named
    from formwright.surrogate.zoo import kind_named

    sets = [split_names([names]) for names in views or ()]
    chosen = {name: objective_named(name) for name in split_names(objectives) or ("vicreg",)}
    ask = kind_named(kind).task
    assert ask is not None
    task = ask(corpus, label, unlabeled, chosen, sets)
    given = read_toml(config) if config else {}
    if "sizes" not in given or sizes:
        most = len(task.parts["train"])
        given["sizes"] = (
            numbers(sizes) or [n for n in EvaluationConfig().sizes if n <= most] or [most]
        )
    given |= {"seeds": seeds} if seeds is not None else {}
    given |= {"pretraining_steps": steps} if steps else {}
    settings = from_mapping(EvaluationConfig, given, where=str(config or "flags"))
    console = Console(stderr=True)
    with console.status("starting") as status:

        def progress(job: str, done: int, total: int) -> None:
            status.update(f"{done} of {total} done; now {job}")

        found = evaluate(task, settings, out, progress)
    write_json(out / "evaluation.json", record(found))
    write_report(found, out / "report.html")
    show(found)
    print(f"\nreport.html  {out / 'report.html'}")


def numbers(texts: list[str] | None) -> list[int]:
    """Return whole numbers, given with commas or one by one.

    Raises:
        ConfigError: One that is none.
    """
    from formwright.datasets.errors import ConfigError

    found = split_names(texts)
    for text in found:
        if not text.isdecimal():
            raise ConfigError(f"--sizes {text!r} is not a whole number; give e.g. 50,200,1000.")
    return [int(text) for text in found]


def show(found) -> None:  # noqa: ANN001
    """Print the curve as a table, and what it says."""
    from formwright.surrogate.label_efficiency.curves import interval

    table = Table(
        title=f"{escape(found.label)}: test error, 1 is that of the mean", title_justify="left"
    )
    table.add_column("method")
    for size in found.sizes:
        table.add_column(f"{size:,} labels", justify="right")
    for method, curve in found.errors.items():
        cells = [interval(list(curve[size])) for size in found.sizes]
        table.add_row(
            escape(method), *(f"{mean:.3g} ± {high - mean:.1g}" for mean, _, high in cells)
        )
    Console().print(table)
    for verdict in found.verdicts():
        print(verdict)
