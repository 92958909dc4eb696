"""``formwright pretrain``, ``fit`` and ``evaluate``: from corpora to a surrogate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from formwright.commands.options import (
    KIND,
    SPLIT,
    Config,
    Corpora,
    Corpus,
    Hours,
    Json,
    MaybeLabel,
    MaybeOut,
    Network,
    Out,
    Quiet,
    Seed,
    Split,
    Steps,
    Surrogate,
    Views,
    within,
)
from formwright.commands.output import tell

LEVEL = 0.9

if TYPE_CHECKING:
    from formwright.surrogate.kinds import Scores

Fitted = Literal["polar", "rans", "rans-fields", "adsorption", "runs", "table", "structures"]
Pretrained = Literal["polar", "rans-fields", "adsorption", "runs", "table", "structures"]


def pretrain(
    kind: Annotated[Pretrained, KIND],
    corpus: Corpus,
    *,
    out: Out,
    label: MaybeLabel = None,
    network: Network = None,
    objective: str | None = None,
    views: Views = None,
    steps: Steps = None,
    seed: Seed = None,
    config: Config = None,
    hours: Hours = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Pretrain the network of a kind of surrogate without labels.

    ```text
    formwright corpus flows --out corpora/flows --sections 4096
    formwright pretrain polar corpora/flows --out runs/pretrained
    formwright fit polar corpora/polars --pretrained runs/pretrained --out runs/mine

    formwright corpus waves --equation burgers --runs 3000 --out corpora/burgers
    formwright pretrain runs corpora/burgers --label viscosity --objective visreg --out runs/b
    formwright pretrain adsorption slabs.extxyz --objective denoise --out runs/atoms
    formwright pretrain rans-fields corpora/panel-fields --out runs/masked-cells
    formwright pretrain rans-fields corpora/panel-fields --objective vicreg --out runs/matched
    torchrun --nproc-per-node 2 -m formwright pretrain polar corpora/flows --out runs/two
    ```

    | kind | corpus |
    | --- | --- |
    | `polar` | sections with flows (`formwright corpus flows`) |
    | `rans-fields` | flow fields (`formwright corpus panel-fields`) |
    | `adsorption` | a file of slabs or crystals: extxyz, CIF, `.db`, `.aselmdb`, pymatgen's JSON |
    | `runs` | unsteady runs (`formwright corpus waves` or `import runs`), with `--label` |
    | `table` | rows (`formwright import table`), those without outputs too |
    | `structures` | crystals, molecules, clusters (`formwright import structures`) |

    Objectives. The view decides more than the objective does: try `vicreg` first, then views, then
    the others.

    | name | asks for | good for |
    | --- | --- | --- |
    | `vicreg` | two views alike, every dimension alive and of its own | the first to try |
    | `barlow-twins` | dimensions that agree between views, not with each other | wide embeddings |
    | `simclr` | the other view of a case among the batch | batches of 256 or more, no near copies |
    | `siamese` | pairs close, all others a margin apart | a plain baseline; bounded repulsion |
    | `lejepa` | two views alike, embeddings Gaussian | one weight to tune; small embeddings |
    | `visreg` | the same, scale and shape apart | small or skewed corpora |
    | `byol` | what a slow copy says of the other view | large corpora; may collapse on small |
    | `simsiam` | the other view's embedding, held still | as `byol`, half the memory |
    | `jepa` | the embedding of a later time or a hidden part | states and control, not constants |
    | `masked` | the values of hidden arcs, patches or cells | what is predicted point by point |
    | `denoise` | the noise that was added | atoms, runs |
    | `flow-predict` | the flow at the operating point (sections) | a cheap solver as a teacher |

    Views, `--views time-lag,shift,parity`, are applied in the order given. Each says what it does
    to the label: it keeps it, changes it by a known map, or destroys it and is refused.

    | kind | names | the label is |
    | --- | --- | --- |
    | runs | `time-lag` `window` `shift` `coarsen` `mask` `noise` | kept |
    | runs | `parity` `galilean` `rescale` | kept if the equation has the symmetry |
    | runs in 2-D | `quarter-turn` `reflect` `shift-reflect` | kept if the force allows it |
    | polar | `incidence` `repanel` `partial-contour` `mirror` | kept |
    | polar | `manufacturing-noise` | kept nearly; transition is lost |
    | adsorption | `jiggle` `strain` `hide-elements` | kept nearly |
    | imported runs | each of these as promised at the import, and `mirror` | kept as promised |
    | table | `corrupt` `blur` | kept nearly, by guess |
    | structures | `jiggle` `strain` `hide-elements` | kept nearly |
    | rans-fields | `other-mesh` `join-cells` `hide-cells` | kept |
    | rans-fields | `other-incidence` | lost: lift and drag change |
    | runs, adsorption | `amplitude`, `other-element` | lost: false, there to be refused |

    Flow fields are pretrained by `masked` where no objective is given. Their encoders serve lift,
    drag and the wall; those of the two networks are not interchangeable.

    Run the same command again to go on after a stop; a folder that was begun with other data or
    settings is refused. An alarm in the log says if the embedding collapses.
    `formwright evaluate-pretraining` measures whether any of it pays.

    Labels are not looked at; `--label` says which one the network will serve, all of the kind where
    not given (`runs` need one), so that views that destroy it are refused. The folder gets the
    weights, the log and the checkpoint; `--config` takes any attribute of `PretrainConfig`.

    Args:
        objective: A name of the table, with the settings that suit the data; others in `--config`.
    """
    from formwright.commands.output import split_names
    from formwright.surrogate.fit import pretrain as pretrain_kind

    with within(hours):
        result = pretrain_kind(
            kind,
            corpus,
            out,
            settings_given(config, steps=steps, seed=seed),
            objective=objective,
            views=None if views is None else split_names(views),
            label=label,
            network=network,
            progress=not quiet,
        )
    figures = {"steps": result.steps, "seconds": round(result.seconds, 1), "out": str(out)}
    tell(f"{result.steps} steps in {result.seconds:.0f} s: {out}", figures, json=json)


def fit(
    kind: Annotated[Fitted, KIND],
    corpus: Corpora,
    *,
    out: Out,
    label: MaybeLabel = None,
    coarse_corpus: Path | None = None,
    network: Network = None,
    pretrained: str | None = None,
    start: str | None = None,
    steps: Steps = None,
    seed: Seed = None,
    config: Config = None,
    hours: Hours = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Fit a surrogate to a labelled corpus, and calibrate its intervals.

    ```text
    formwright fit polar corpora/polars --out runs/mine
    formwright fit polar corpora/mine --start airfoil-polar --out runs/mine --steps 500
    formwright fit table corpora/tests --out runs/tests
    formwright fit structures corpora/clusters --out runs/clusters --steps 500
    formwright predict runs/mine --cases cases.csv --out out.csv

    formwright fit adsorption slabs.extxyz --pretrained atoms --out runs/slabs
    formwright predict runs/slabs --structures more.extxyz --out out.csv

    formwright fit rans corpora/rans --pretrained rans-wall --out runs/rans
    formwright predict runs/rans --cases cases.csv --out out.csv
    formwright corpus rans --coarse --out coarse
    formwright fit rans fine --coarse-corpus coarse --pretrained turbulent-wall --out runs/own

    formwright fit rans-fields corpora/rans --out runs/fields
    formwright fit rans-fields corpora/rans --pretrained runs/masked-cells --out runs/more
    formwright fit runs corpora/burgers --label viscosity --out runs/viscosity
    ```

    | kind | corpus | pretrained networks that are shipped |
    | --- | --- | --- |
    | `polar` | polars (`formwright corpus polars`), one folder or several | `airfoil-encoder` |
    | `rans` | RANS cases (`formwright corpus rans`): forces, wall | `rans-wall`, `turbulent-wall` |
    | `rans-fields` | the same with the records in `flows/`: cells and wall, no intervals | |
    | `adsorption` | a file of slabs with adsorbates, energies in the column `--label` | `atoms` |
    | `runs` | unsteady runs; `--label` is a constant of each | |
    | `table` | rows (`formwright import table`); all outputs, or the one of `--label` | |
    | `structures` | crystals, molecules, clusters (`import structures`) | `atoms`, always |

    Training uses the training split, calibration the validation split, whose errors are shown; the
    test split is left for `formwright evaluate`. Splits are apart by family of sections; a file of
    structures is split by its column `group` or `surface`, else by the elements of the slab, 8 : 1
    : 1. Run the same command again to go on after a stop; a folder that was begun with other data,
    settings or weights is refused.

    Several corpora of polars are joined. `--label` is the column of energies (eV, `e_ads_ev` if not
    given) of `adsorption`, and the constant that is predicted of `runs`. The folder gets the
    surrogate, the log and the checkpoint.

    Args:
        coarse_corpus: With `rans`: a corpus of the same on a coarse mesh, to be learned from first.
        pretrained: A network to begin with: one of the table, or a folder that `pretrain` wrote.
        start: A surrogate to go on from: a shipped one, or a folder that `fit` wrote.
    """
    from formwright.datasets.config import to_mapping
    from formwright.surrogate.fit import fit as fit_kind

    choices = {"label": label, "coarse": coarse_corpus, "network": network}
    given = settings_given(config, steps=steps, seed=seed, **choices)
    with within(hours):
        done = fit_kind(
            kind, corpus, out, given, pretrained=pretrained, start=start, progress=not quiet
        )
    if json:
        figures = {"surrogate": str(done.path), "validation": to_mapping(done.scores)}
        figures |= {"floors": done.floors} if done.floors else {}
        tell("", {**figures, "seconds": round(done.seconds, 1)}, json=True)
        return
    show(done.scores, f"{done.path.parent}, validation split", done.floors)


def evaluate(
    surrogate: Surrogate,
    corpus: Corpora,
    *,
    split: Annotated[Split, SPLIT] = "test",
    label: MaybeLabel = None,
    out: MaybeOut = None,
    json: Json = False,
) -> None:
    """Compare a surrogate with the labels of a corpus: errors and coverage of the intervals.

    ```text
    formwright evaluate airfoil-polar corpora/polars
    formwright evaluate runs/mine corpora/mine --split validation --out scores.json
    formwright evaluate adsorption-mamun slabs.extxyz --split test
    ```

    The corpus has labels, and is of the kind that the surrogate was fitted to. Look at the test
    split once. `--out` writes the scores as JSON.
    """
    from formwright.datasets.config import to_mapping
    from formwright.datasets.files import write_json
    from formwright.surrogate.evaluate import evaluate as evaluate_kind
    from formwright.surrogate.zoo import load

    loaded = load(surrogate)
    more = {} if label is None else {"label": label}
    scores = evaluate_kind(loaded, corpus, split=split, **more)
    if out is not None:
        write_json(out, to_mapping(scores))
    if json:
        tell("", to_mapping(scores), json=True)
    else:
        show(scores, f"{surrogate}, {split} split")


def settings_given(config: Path | None, **flags: Any) -> dict[str, Any]:
    """Return what a file says, over it the flags; those of the loop go to its table ``train``."""
    from formwright.datasets.config import read_toml

    values = {} if config is None else read_toml(config)
    loop = {name: flags.pop(name) for name in ("steps", "seed")}
    loop = {name: value for name, value in loop.items() if value is not None}
    own = {n: str(v) if isinstance(v, Path) else v for n, v in flags.items() if v is not None}
    train = {**values.get("train", {}), **loop}
    return {**values, **own, **({"train": train} if train else {})}


def show(scores: Scores, title: str, floors: Mapping[str, Mapping[str, float]] = {}) -> None:
    """Print errors and coverage, and beside them the errors of simpler methods."""
    counts = ", ".join(f"{count:,} {what}" for what, count in scores.counts.items())
    table = Table(title=f"{escape(title)}: {counts}")
    table.add_column("label")
    table.add_column("mean error", justify="right")
    if scores.coverage:
        table.add_column(f"inside the {100 * scores.level:.0f} % interval", justify="right")
    for method in floors:
        table.add_column(method, justify="right")
    for name, error in scores.error.items():
        shares = [share for label, share in scores.coverage.items() if _of(name, label)]
        inside = [f"{100 * share:.1f} %" for share in shares] or [""]
        beside = [_figure(errors.get(name)) for errors in floors.values()]
        table.add_row(name, _figure(error), *(inside if scores.coverage else ()), *beside)
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    for name, error in scores.error.items():
        known = {method: errors[name] for method, errors in floors.items() if name in errors}
        best = min(known, key=lambda method: known[method], default="")
        if best and known[best] < error:
            console.print(
                f"{name}: the {best} is nearer ({_figure(known[best])} against {_figure(error)}).",
                markup=False,
            )
    if scores.level < LEVEL - 1e-9:
        console.print(
            f"The intervals promise {100 * scores.level:.0f} %, not {100 * LEVEL:.0f} %: "
            f"{next(iter(scores.counts.values()))} cases calibrate them, and 9 would be needed."
        )


def _figure(value: float | None) -> str:
    """Return a number with four decimals, or as many digits as it needs."""
    if value is None:
        return ""
    return f"{value:.4f}" if 0.01 <= abs(value) < 1e4 or value == 0 else f"{value:.3g}"


def _of(name: str, label: str) -> bool:
    """Return whether an error is of a label: ``cd_relative`` and ``ln_cd`` are of ``cd``."""
    return name in (label, f"{label}_relative", f"ln_{label}")
