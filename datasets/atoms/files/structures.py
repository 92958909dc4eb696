"""Files of structures: read whatever ASE or pymatgen reads, write extended XYZ.

=================================  ===============================================================
``.extxyz`` ``.xyz``               by ASE, frame by frame, gzip allowed
``.cif``                           by ASE, gzip allowed, as every other format that ASE guesses
``POSCAR`` ``CONTCAR`` ``.vasp``   by ASE
``.db``                            ASE's own database
``.json``                          pymatgen's structures, or ASE's JSON database
``.aselmdb`` ``.lmdb``             ``formwright.datasets.atoms.files.aselmdb``
=================================  ===============================================================
"""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from formwright.datasets.atoms.files.xyz import parse_frame, split_frames
from formwright.datasets.atoms.structures import Structure, from_ase, structure, to_ase
from formwright.datasets.errors import FormwrightError, StructureError
from formwright.datasets.files import LARGEST, from_json, replacing

if TYPE_CHECKING:
    from ase import Atoms

FORMATS: Final = {".extxyz": "extxyz", ".xyz": "extxyz", ".cif": "cif", ".vasp": "vasp"}
LMDB: Final = (".aselmdb", ".lmdb")
_LONGEST_LINE: Final = 1 << 24
_OF_ASE: Final = ("get_positions", "get_tags", "info")
_OF_PYMATGEN: Final = ("cart_coords", "site_properties")
_KINDS: Final = (
    "Give a Structure, ASE's Atoms or pymatgen's Structure, or a list of these; of a file, what "
    "read_structures(path) returns."
)
_Reader = Callable[[], tuple["Atoms | Structure", dict[str, Any]]]


def read_structures(path: str | os.PathLike[str]) -> list[Structure]:
    """Return the structures of a file; the table above has the formats.

    Tags and held atoms are the file's; where it has no tags all are 0, and
    ``formwright.datasets.atoms.slabs.surface_atoms.tag`` guesses them.

    Raises:
        StructureError: The file or a frame of it cannot be read, or it holds none; the message
            names both.

    Example:
        >>> import formwright
        >>> from ase.build import molecule
        >>> molecule("H2O").write("water.xyz")
        >>> [len(one) for one in formwright.read_structures("water.xyz")]
        [3]
    """
    result = [one for one, _ in iterate_structures(path)]
    if not result:
        raise StructureError(f"{str(path)!r} holds no structure.")
    return result


class Given(NamedTuple):
    """Structures that a user holds.

    Attributes:
        structures: In the order given.
        own: Whether each was one of this package before.
        alone: Whether one was given, not a list.
    """

    structures: list[Structure]
    own: list[bool]
    alone: bool


def structure_list(given: Any) -> Given:
    """Return one structure or many as a list.

    Args:
        given: One or any number of: ``Structure``, ASE's ``Atoms``, pymatgen's ``Structure``,
            ``Slab`` or ``Molecule``. Tags and held atoms are theirs, as ``read_structures`` has
            them.

    Raises:
        StructureError: Something is none of these, or no structure; the message says which.
    """
    if _is_structure(given):
        return Given([_converted(given, "the structure")], [isinstance(given, Structure)], True)
    if isinstance(given, str | bytes | os.PathLike) or not isinstance(given, Iterable):
        raise StructureError(
            f"{str(given)[:60]!r} of type {type(given).__name__} is no structure. {_KINDS}"
        )
    listed = list(given)
    made = [_converted(one, f"structure {i}") for i, one in enumerate(listed)]
    return Given(made, [isinstance(one, Structure) for one in listed], False)


def _is_structure(one: object) -> bool:
    """Return whether something is ours, ASE's or pymatgen's, by what it can do."""
    return isinstance(one, Structure) or any(
        all(hasattr(one, name) for name in names) for names in (_OF_ASE, _OF_PYMATGEN)
    )


def _converted(one: Any, who: str) -> Structure:
    """Return a structure from an object.

    Raises:
        StructureError: It is none.
    """
    if isinstance(one, Structure):
        return one
    if not _is_structure(one):
        told = f"{str(one)[:60]!r} of type {type(one).__name__}"
        raise StructureError(f"{who} is none: {told}. {_KINDS}")
    try:
        return _structure(one, one.info) if hasattr(one, _OF_ASE[0]) else _of_pymatgen(one)
    except FormwrightError as error:
        raise StructureError(f"{who}, of type {type(one).__name__}: {error}") from error


def iterate_structures(
    path: str | os.PathLike[str],
) -> Iterator[tuple[Structure, dict[str, Any]]]:
    """Yield each structure with its columns (energies, names, whatever the file has), one by one.

    Raises:
        StructureError: See ``read_structures``.
    """
    for one, columns in iterate_frames(path):
        if isinstance(one, FormwrightError):
            raise one
        yield one, columns


def iterate_frames(
    path: str | os.PathLike[str],
) -> Iterator[tuple[Structure | FormwrightError, dict[str, Any]]]:
    """Yield each frame as a structure with its columns, or as the error that says why it is none.

    A bad frame of extended XYZ, of a database or a list costs itself alone. What cannot be read
    further ends with an error.
    """
    at = Path(path)
    if not at.exists():
        yield StructureError(f"there is no file {str(at)!r}."), {}
        return
    if at.suffix in LMDB:
        yield from _shard_frames(at)
        return
    frames, index = _frames(at), 0
    while True:
        try:
            read = next(frames, None)
        except Exception as error:
            yield _unread(at, index, error), {}
            return
        if read is None:
            return
        yield _read(read, at, index)
        index += 1


def _read(
    read: _Reader, path: Path, index: int
) -> tuple[Structure | FormwrightError, dict[str, Any]]:
    """Return a frame with its columns, or why it is no structure."""
    try:
        atoms, columns = read()
        one = atoms if isinstance(atoms, Structure) else _structure(atoms, columns)
    except Exception as error:
        return _unread(path, index, error), {}
    return one, columns


def _unread(path: Path, index: int, error: Exception) -> StructureError:
    """Return the error of a frame, with the file and the frame in its message."""
    if isinstance(error, FormwrightError):
        return StructureError(f"{str(path)!r}, frame {index}: {error}")
    return StructureError(
        f"{str(path)!r}, frame {index}, cannot be read: {type(error).__name__}: {error}. "
        "Is the file whole, and does its name end as its format does?"
    )


def write_structures(
    path: str | os.PathLike[str],
    structures: Sequence[Structure],
    **columns: Sequence[Any] | np.ndarray,
) -> None:
    """Write structures as extended XYZ, with tags, held atoms and further columns.

    Args:
        path: Ends with ``.extxyz``, or ``.extxyz.gz``.
        structures: In this order.
        columns: By name, one number or text a structure, e.g. ``e_ads_ev=[...]``.

    Raises:
        StructureError: A column has another length than ``structures``.
        StorageError: The file cannot be written; what was there is intact.

    Example:
        >>> import formwright
        >>> from ase.build import bulk
        >>> bulk("Pt").write("platinum.cif")
        >>> crystals = formwright.read_structures("platinum.cif")
        >>> formwright.write_structures("platinum.extxyz", crystals, energy_ev=[-6.1])
    """
    from ase.io.extxyz import write_extxyz

    for name, values in columns.items():
        if len(values) != len(structures):
            raise StructureError(
                f"column {name!r} has {len(values)} values for {len(structures)} structures."
            )
    frames = [to_ase(one) for one in structures]
    for i, atoms in enumerate(frames):
        atoms.info.update({name: values[i] for name, values in columns.items()})
    zipped = Path(path).suffix == ".gz"
    with replacing(path) as temporary:
        with gzip.open(temporary, "wt") if zipped else temporary.open("w") as handle:
            write_extxyz(handle, frames)


def _shard_frames(
    path: Path,
) -> Iterator[tuple[Structure | FormwrightError, dict[str, Any]]]:
    """Yield the rows of a shard, and last why it cannot be read further."""
    from formwright.datasets.atoms.files.aselmdb import iterate_aselmdb

    try:
        yield from iterate_aselmdb(path)
    except FormwrightError as error:
        yield error, {}


def _frames(path: Path) -> Iterator[_Reader]:
    """Yield what reads one frame of a file after another."""
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    known = FORMATS.get(suffix)
    if known == "extxyz":
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8") as handle:
            lines = iter(partial(handle.readline, _LONGEST_LINE), "")
            yield from (partial(_xyz_frame, text) for text in split_frames(lines))
    elif suffix == ".json":
        yield from _json_frames(path)
    elif suffix == ".db":
        yield from _database_frames(path)
    else:
        from ase.io import iread

        whole = _text(path) if known and path.suffix == ".gz" else path
        yield from (partial(_with_columns, atoms) for atoms in iread(whole, ":", format=known))


def _xyz_frame(text: str) -> tuple[Atoms, dict[str, Any]]:
    """Return a frame of extended XYZ, with the columns."""
    return _with_columns(parse_frame(text))


def _with_columns(atoms: Atoms) -> tuple[Atoms, dict[str, Any]]:
    """Return atoms with what is known of them."""
    results = {} if atoms.calc is None else dict(atoms.calc.results)
    return atoms, {**atoms.info, **results}


def _text(path: Path) -> io.StringIO:
    """Return a zipped text file, unpacked: ASE seeks from frame to frame, and gzip starts over."""
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        return io.StringIO(_whole(handle))


def _whole(handle: IO[Any]) -> str:
    """Return the text of an open file, of bounded size."""
    text = handle.read(LARGEST + 1)
    if len(text) > LARGEST:
        raise StructureError(f"it is, unpacked, longer than {LARGEST:,} characters.")
    return text


def _database_frames(path: Path) -> Iterator[_Reader]:
    """Yield what reads the rows of an ASE database."""
    from ase.db import connect

    yield from (partial(_database_row, row) for row in connect(path).select())


def _database_row(row: Any) -> tuple[Atoms, dict[str, Any]]:
    """Return a row of an ASE database."""
    energy = {"energy": row.energy} if "energy" in row else {}
    return row.toatoms(), {**energy, **row.key_value_pairs}


def _json_frames(path: Path) -> Iterator[_Reader]:
    """Yield what reads pymatgen's structures (one or a list), or rows of an ASE JSON database."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as handle:
        value = from_json(_whole(handle))
    if isinstance(value, Mapping) and "ids" in value:
        yield from _database_frames(path)
        return
    yield from (
        partial(_json_item, item) for item in (value if isinstance(value, list) else [value])
    )


def _json_item(item: Mapping[str, Any]) -> tuple[Structure, dict[str, Any]]:
    """Return one of pymatgen's structures."""
    return _from_pymatgen(item), dict(item.get("properties") or {})


def _from_pymatgen(item: Mapping[str, Any]) -> Structure:
    """Return pymatgen's dictionary of a structure, slab or molecule as a structure.

    The class that the dictionary names is not looked up, so nothing of a stranger's is run.
    """
    from pymatgen.core import Molecule
    from pymatgen.core import Structure as Crystal

    return _of_pymatgen(
        Crystal.from_dict(dict(item)) if "lattice" in item else Molecule.from_dict(dict(item))
    )


def _of_pymatgen(made: Any) -> Structure:
    """Return pymatgen's structure, slab or molecule as a structure."""
    if not made.is_ordered:
        raise StructureError(
            f"{made.formula} has sites that several elements share: order it first (pymatgen: "
            "OrderDisorderedStructureTransformation)."
        )
    crystal = hasattr(made, "lattice")
    movable = made.site_properties.get("selective_dynamics")
    return structure(
        [site.specie.symbol for site in made],
        made.cart_coords,
        made.lattice.matrix if crystal else None,
        made.lattice.pbc if crystal else None,
        tags=made.site_properties.get("tags", np.zeros(len(made), int)),
        fixed=None if movable is None else [not any(axes) for axes in movable],
        name=made.reduced_formula if crystal else made.formula.replace(" ", ""),
    )


def _structure(atoms: Atoms, columns: Mapping[str, Any]) -> Structure:
    """Return ASE's atoms; a column ``fixed`` counts where there are no constraints."""
    from ase.constraints import FixAtoms

    shared = columns.get("occupancy")
    if isinstance(shared, Mapping) and any(set(site.values()) != {1.0} for site in shared.values()):
        raise StructureError("has sites that are partly occupied, or that several elements share.")
    if "fixed" in atoms.arrays and not atoms.constraints:
        atoms.set_constraint(FixAtoms(mask=atoms.arrays["fixed"].astype(bool)))
    return from_ase(atoms, str(columns.get("name", "")))
