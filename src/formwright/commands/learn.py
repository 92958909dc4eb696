"""``formwright pretrain``, ``finetune`` and ``evaluate``: from corpora to a surrogate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from formwright.surrogate.airfoils.evaluate import Scores
    from formwright.surrogate.pretraining.pretexts import Pretext
    from formwright.surrogate.pretraining.pretrain import PretrainConfig
    from formwright.surrogate.pretraining.unlabeled import Start

T = TypeVar("T")


def pretrain(
    *,
    out: Path,
    flows: Path | None = None,
    runs: Path | None = None,
    structures: Path | None = None,
    fields: Path | None = None,
    label: str | None = None,
    network: Literal["grid", "mesh"] | None = None,
    objective: str | None = None,
    views: str | None = None,
    steps: int | None = None,
    seed: int | None = None,
    config: Path | None = None,
    quiet: bool = False,
) -> None:
    """Pretrain an encoder without labels: on sections, unsteady runs, structures, or flow fields.

    ```text
    formwright corpus flows --out corpora/flows --sections 4096
    formwright pretrain --flows corpora/flows --out runs/pretrained
    formwright finetune --corpus corpora/polars --pretrained runs/pretrained --out runs/mine

    formwright corpus waves --equation burgers --runs 3000 --out corpora/burgers
    formwright pretrain --runs corpora/burgers --label viscosity --objective visreg --out runs/b
    formwright pretrain --structures slabs.extxyz --objective denoise --out runs/atoms
    formwright pretrain --fields corpora/panel-fields --out runs/masked-cells
    formwright pretrain --fields corpora/panel-fields --objective vicreg --out runs/matched
    torchrun --nproc-per-node 2 -m formwright pretrain --flows corpora/flows --out runs/two
    ```

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

    | data | names | the label is |
    | --- | --- | --- |
    | runs | `time-lag` `window` `shift` `coarsen` `mask` `noise` | kept |
    | runs | `parity` `galilean` `rescale` | kept if the equation has the symmetry |
    | runs in 2-D | `quarter-turn` `reflect` `shift-reflect` | kept if the force allows it |
    | sections | `incidence` `repanel` `partial-contour` `mirror` | kept |
    | sections | `manufacturing-noise` | kept nearly; transition is lost |
    | structures | `jiggle` `strain` `hide-elements` | kept nearly |
    | fields | `other-mesh` `join-cells` `hide-cells` | kept |
    | fields | `other-incidence` | lost: lift and drag change |
    | runs, structures | `amplitude`, `other-element` | lost: false, there to be refused |

    Fields are pretrained by `masked` where no objective is given. Their encoders serve lift, drag
    and the wall; those of the two networks are not interchangeable.

    Run the same command again to go on after a stop; a folder that was begun with other data or
    settings is refused. An alarm in the log says if the embedding collapses.
    `formwright evaluate-pretraining` measures whether any of it pays.

    Args:
        out: Folder for the weights, the log and the checkpoint.
        flows: Folder of sections with flows (`formwright corpus flows`).
        runs: Folder of unsteady runs (`formwright corpus waves`).
        structures: File of slabs or crystals: extxyz, CIF, `.db`, `.aselmdb`, pymatgen's JSON.
        fields: Folder of flow fields (`formwright corpus panel-fields`).
        label: With `--runs`: what the encoder will serve; views that destroy it are refused.
        network: With `--fields`: on a body-fitted `grid` (the default) or on any `mesh`.
        objective: A name of the table, with the settings that suit the data; others in `--config`.
        views: Names of the second table with commas; the usual ones for the data if not given.
        steps: Steps of training.
        seed: Of everything random.
        config: TOML with any attribute of `PretrainConfig`; flags go before it.
        quiet: Show no progress bar.
    """
    from formwright.commands.pretraining import split_names
    from formwright.surrogate.pretraining.named import pretext_of
    from formwright.surrogate.pretraining.pretrain import pretrain as train
    from formwright.surrogate.pretraining.unlabeled import what_to_pretrain
    from formwright.surrogate.rans.fields.surrogate import Network

    values = pretraining_values(config, objective, views)
    if views is not None:
        values["views"] = split_names([views])
    start = what_to_pretrain(
        flows=flows,
        runs=runs,
        structures=structures,
        fields=fields,
        label=label,
        network=None if network is None else Network(network),
    )
    pretext = None if objective is None else pretext_of(objective, start.kind)
    settings = pretraining_settings(start, values, steps, seed, pretext)
    seed_everything(settings.train.seed)
    result = train(
        start.network(),
        start.data,
        settings,
        out,
        provenance={start.kind.value: str(flows or runs or structures or fields)},
        progress=not quiet,
    )
    print(f"{result.steps} steps in {result.seconds:.0f} s: {out}")


def finetune(
    *,
    out: Path,
    corpus: list[Path] | None = None,
    structures: Path | None = None,
    rans: Path | None = None,
    coarse: Path | None = None,
    fields: bool = False,
    network: Literal["grid", "mesh"] | None = None,
    label: str = "e_ads_ev",
    pretrained: str | None = None,
    start: str | None = None,
    steps: int | None = None,
    seed: int | None = None,
    config: Path | None = None,
    quiet: bool = False,
) -> None:
    """Train a surrogate on labelled polars, structures or RANS, and calibrate its intervals.

    ```text
    formwright finetune --corpus corpora/polars --out runs/mine
    formwright finetune --corpus corpora/mine --start airfoil-polar --out runs/mine --steps 500
    formwright predict runs/mine --cases cases.csv --out out.csv

    formwright finetune --structures slabs.extxyz --pretrained atoms --out runs/slabs
    formwright predict runs/slabs --structures more.extxyz --out out.csv

    formwright finetune --rans corpora/rans --pretrained rans-wall --out runs/rans
    formwright predict runs/rans --cases cases.csv --out out.csv
    formwright corpus rans --coarse --out coarse
    formwright finetune --rans fine --coarse coarse --pretrained turbulent-wall --out runs/own

    formwright finetune --rans corpora/rans --fields --out runs/fields
    formwright finetune --rans corpora/rans --fields --pretrained runs/masked-cells --out runs/more
    ```

    Training uses the sections of the corpora's training split, calibration those of the validation
    split. A file of structures is split by its column `group` or `surface`, else by the elements of
    the slab, 8 : 1 : 1; errors are told of the test part. RANS teaches forces and wall pressure or,
    with `--fields`, the flow at the cells and the wall, from the whole records in the corpus'
    `flows/`; samples of these are kept in `samples/` of the folder. Run the same command again to
    go on after a stop; a folder that was begun with other data, settings or weights is refused.

    Args:
        out: Folder for the surrogate, the log and the checkpoint.
        corpus: Folder of a corpus of polars; may be given several times.
        structures: File of slabs with adsorbates and their adsorption energies as a column.
        rans: Folder of a corpus of RANS cases (`formwright corpus rans`).
        coarse: With `--rans`: a corpus of the same on a coarse mesh, to be learned from first.
        fields: With `--rans`: learn fields instead of forces; they have no intervals.
        network: With `--fields`: on a body-fitted `grid` (the default) or on any `mesh`.
        label: Name of that column, eV.
        pretrained: `airfoil-encoder`, `atoms` or (`--rans`) `rans-wall` or `turbulent-wall`, which
            are shipped, or a folder that `pretrain` wrote.
        start: A surrogate to go on from: a shipped one, or a folder.
        steps: Steps of training.
        seed: Of everything random.
        config: TOML with any attribute of `FinetuneConfig` (of `AdsorptionFinetuneConfig` with
            `--structures`, `WallTraining` with `--rans`, `FieldTraining` with `--fields`); flags go
            before it.
        quiet: Show no progress bar.
    """
    from formwright.commands.learn_fields import finetune_fields
    from formwright.commands.learn_rans import check_flags, finetune_forces
    from formwright.datasets.airfoils.polar_data import read_polars
    from formwright.datasets.config import to_mapping
    from formwright.datasets.errors import ConfigError
    from formwright.surrogate import zoo
    from formwright.surrogate.airfoils import finetune as tuning
    from formwright.surrogate.airfoils.evaluate import evaluate as score

    check_flags(rans, start, network, coarse, fields=fields)
    if sum(given is not None for given in (corpus, structures, rans)) != 1:
        raise ConfigError(
            "give --corpus (polars), --structures (atoms) or --rans (RANS cases), one of them."
        )
    if rans is not None:
        if fields:
            finetune_fields(rans, out, pretrained, network, config, steps, seed, quiet=quiet)
        else:
            finetune_forces(rans, out, pretrained, config, steps, seed, coarse, quiet=quiet)
        return
    if structures is not None:
        from formwright.commands.learn_atoms import finetune_structures

        finetune_structures(
            structures, label, out, pretrained, start, config, steps, seed, quiet=quiet
        )
        return
    assert corpus is not None
    settings = settings_of(tuning.FinetuneConfig, config, steps, seed)
    seed_everything(settings.train.seed)
    surrogate = first_surrogate(pretrained, start)
    training = read_polars(corpus, split="train", fields=True)
    validation = read_polars(corpus, split="validation")
    points = tuning.labelled(surrogate, training)
    tuning.finetune(surrogate, points, settings, out, progress=not quiet)
    tuning.fit_pressure(surrogate, points)
    tuning.calibrate(surrogate, tuning.labelled(surrogate, validation))
    provenance = {
        "corpora": [str(folder) for folder in corpus],
        "points": len(training.section),
        "sections": len(training.cst),
        "from": str(start or pretrained or "scratch"),
        "config": to_mapping(settings),
    }
    zoo.save(surrogate, out / zoo.FILE, provenance)
    show(score(surrogate, validation), f"{out}, validation split")


def evaluate(
    surrogate: str,
    *,
    corpus: list[Path],
    split: str = "test",
    out: Path | None = None,
) -> None:
    """Compare a surrogate with the labels of a corpus: errors and coverage of the intervals.

    ```text
    formwright evaluate airfoil-polar --corpus corpora/polars
    formwright evaluate runs/mine --corpus corpora/mine --split validation --out scores.json
    ```

    Args:
        surrogate: Name of a shipped surrogate, or a folder that `finetune` wrote.
        corpus: Folder of a corpus of polars; may be given several times.
        split: Which split of it.
        out: Also write the scores here, as JSON.
    """
    from formwright.datasets.airfoils.polar_data import read_polars
    from formwright.datasets.config import to_mapping
    from formwright.datasets.files import write_json
    from formwright.surrogate.airfoils.evaluate import evaluate as score

    loaded = of_polars(surrogate)
    scores = score(loaded, read_polars(corpus, split=split))
    show(scores, f"{surrogate}, {split} split")
    if out is not None:
        write_json(out, to_mapping(scores))


def first_surrogate(pretrained: str | None, start: str | None) -> Any:
    """Return what fine-tuning begins with.

    Raises:
        ConfigError: Both a pretrained network and a surrogate are given, or it is not of polars.
    """
    from formwright.datasets.errors import ConfigError
    from formwright.surrogate.airfoils.polar import PolarSurrogate
    from formwright.surrogate.zoo import load_network

    if pretrained is not None and start is not None:
        raise ConfigError("give --pretrained or --start, not both: each is where training begins.")
    if start is not None:
        return of_polars(start).requires_grad_(True).train()
    return PolarSurrogate(network=load_network(pretrained) if pretrained is not None else None)


def of_polars(name: str) -> Any:
    """Return a surrogate that was trained on polars.

    Raises:
        ConfigError: It is of something else.
        UnknownNameError: There is none of that name.
    """
    from formwright import load
    from formwright.surrogate.airfoils.polar import LABELS
    from formwright.surrogate.model import need_labels

    surrogate = load(name)
    has = "a corpus of polars has: give 'airfoil-polar', or a folder that finetune --corpus wrote"
    need_labels(surrogate, LABELS, name, has)
    return surrogate


def settings_of(
    kind: type[T],
    config: Path | None,
    steps: int | None,
    seed: int | None,
    usual: T | None = None,
) -> T:
    """Return a configuration: usual values, over them the file, over it the flags of the loop."""
    from formwright.datasets.config import from_mapping, read_toml, to_mapping

    base = to_mapping(usual or kind())
    values = {**base, **({} if config is None else read_toml(config))}
    flags = {"steps": steps, "seed": seed}
    given = {name: value for name, value in flags.items() if value is not None}
    loop = {**base.get("train", {}), **values.get("train", {}), **given}
    return from_mapping(kind, {**values, "train": loop}, where=str(config or "the flags"))


def pretraining_values(
    config: Path | None, objective: str | None, views: str | None = None
) -> dict[str, Any]:
    """Return what a file says of a pretraining.

    Raises:
        ConfigError: An unknown key, or the question is asked in the file and in a flag.
    """
    from formwright.datasets.config import from_mapping, read_toml
    from formwright.datasets.errors import ConfigError
    from formwright.surrogate.pretraining.pretrain import PretrainConfig

    values = {} if config is None else read_toml(config)
    known = {name: value for name, value in values.items() if name != "views"}
    from_mapping(PretrainConfig, known, where=str(config))
    if objective is not None and "pretext" in values:
        raise ConfigError("give --objective, or [pretext] in the file of --config, not both.")
    if views is not None and "views" in values:
        raise ConfigError("give --views, or views in the file of --config, not both.")
    return values


def pretraining_settings(
    start: Start,
    values: dict[str, Any],
    steps: int | None,
    seed: int | None,
    pretext: Pretext | None,
) -> PretrainConfig:
    """Return settings: those of the data, over them the file, over it the flags."""
    from dataclasses import replace

    from formwright.datasets.config import from_mapping, to_mapping
    from formwright.surrogate.pretraining.pretrain import PretrainConfig
    from formwright.surrogate.pretraining.unlabeled import views_of

    own = {name: value for name, value in values.items() if name != "views"}
    if pretext is None and "pretext" in own:
        asked = {"pretext": own["pretext"]}
        pretext = from_mapping(PretrainConfig, asked, where="the configuration").pretext
    start = start.asked(pretext)
    flags = {"steps": steps, "seed": seed}
    loop = {**to_mapping(start.config.train), **own.get("train", {})}
    loop |= {name: value for name, value in flags.items() if value is not None}
    read = from_mapping(PretrainConfig, {**own, "train": loop}, where="the configuration")
    given = {name: getattr(read, name) for name in (*own, "train")}
    given |= {"pretext": pretext} if pretext is not None else {}
    return replace(start.config, views=views_of(start, values.get("views")), **given)


def seed_everything(seed: int) -> None:
    """Seed the initial weights."""
    import torch

    torch.manual_seed(seed)


def show(scores: Scores, title: str) -> None:
    """Print errors and coverage."""
    table = Table(title=f"{escape(title)}: {scores.points:,} points, {scores.sections:,} sections")
    table.add_column("label")
    table.add_column("mean absolute error", justify="right")
    table.add_column(f"inside the {100 * scores.level:.0f} % interval", justify="right")
    pairs = zip(scores.error.items(), scores.coverage.values(), strict=True)
    for (label, error), share in pairs:
        table.add_row(label, f"{error:.4f}", f"{100 * share:.1f} %")
    Console(highlight=False).print(table)
