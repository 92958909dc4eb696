"""``formwright evaluate-pretraining``: does pretraining pay on a corpus of one's own?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from formwright.commands.options import (
    KIND,
    Config,
    Corpora,
    Hours,
    Json,
    Label,
    Out,
    Quiet,
    Steps,
    Views,
    within,
)
from formwright.commands.output import split_names, tell


def evaluate_pretraining(
    kind: Annotated[Literal["polar", "adsorption", "runs", "table", "structures"], KIND],
    corpus: Corpora,
    *,
    label: Label,
    unlabeled: Path | None = None,
    objectives: list[str] | None = None,
    views: Views = None,
    sizes: list[str] | None = None,
    seeds: int | None = None,
    steps: Steps = None,
    config: Config = None,
    out: Out = Path("runs/pretraining"),
    hours: Hours = None,
    quiet: Quiet = False,
    json: Json = False,
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

    The corpus is of polars (several folders may share the splits), a file of slabs with
    adsorbates, runs of an unsteady equation, or what `formwright import` made; `--steps` are those
    of every pretraining.
    `--views` given again is another set to compare: each is tried with each objective, and one
    that destroys the label is refused. `--config` takes any attribute of `EvaluationConfig`. The
    folder gets results, pretrained weights and `report.html`.

    Args:
        unlabeled: More cases without labels; for polars sections with flows (`formwright corpus
            flows`).
        objectives: Names, with commas or one by one; `formwright pretrain --help` lists them.
        sizes: Numbers of labelled cases, with commas or one by one; as many as the corpus allows of
            50, 200, 1000 if not given.
        seeds: Draws of labelled cases, 5 if not given; fewer make a wide interval.
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
    with console.status("starting") as status, within(hours):
        if quiet:
            status.stop()

        def progress(job: str, done: int, total: int) -> None:
            status.update(f"{done} of {total} done; now {job}")

        evaluation = evaluate(task, settings, out, progress)
    write_json(out / "evaluation.json", record(evaluation))
    write_report(evaluation, out / "report.html")
    if json:
        more = {"verdicts": evaluation.verdicts(), "report": str(out / "report.html")}
        tell("", {**record(evaluation), **more}, json=True)
        return
    show(evaluation)
    print(f"\nreport.html  {out / 'report.html'}")


def numbers(texts: list[str] | None) -> list[int]:
    """Return whole numbers, given with commas or one by one.

    Raises:
        ConfigError: One that is none.
    """
    from formwright.datasets.errors import ConfigError

    names = split_names(texts)
    for text in names:
        if not text.isdecimal():
            raise ConfigError(f"--sizes {text!r} is not a whole number; give e.g. 50,200,1000.")
    return [int(text) for text in names]


def show(evaluation: Any) -> None:
    """Print the curve as a table, and what it says."""
    from formwright.surrogate.label_efficiency.curves import interval

    table = Table(
        title=f"{escape(evaluation.label)}: test error, 1 is that of the mean", title_justify="left"
    )
    table.add_column("method")
    for size in evaluation.sizes:
        table.add_column(f"{size:,} labels", justify="right")
    for method, curve in evaluation.errors.items():
        cells = [interval(list(curve[size])) for size in evaluation.sizes]
        table.add_row(
            escape(method), *(f"{mean:.3g} ± {high - mean:.1g}" for mean, _, high in cells)
        )
    Console().print(table)
    for verdict in evaluation.verdicts():
        print(verdict)
