"""The one container: every case is a ``Batch`` of named tensors, alone or joined with others.

PyG's ``Data`` holds the same (``Batch.to_data``, ``Batch.from_data``), and whatever takes a case
takes it as it is.

A section is a ring of points with its operating points, all of them attributes of one ``Batch``:

===================  ==========  =================================================================
attribute            shape       meaning and unit
===================  ==========  =================================================================
``pos``              (P, 2)      contour, upper trailing edge -> nose -> lower, in chords
``alpha_deg``        (M,)        incidence, degrees
``reynolds``         (M,)        Reynolds number on the chord
``ncrit``            (M,)        critical amplification exponent of the e^N method
``mach``             (M,)        Mach number
``condition_batch``  (M,)        the case that each operating point belongs to (0 in a single case)
===================  ==========  =================================================================

Labels are attributes of shape (M,), fields of shape (M, S). A batch has its cases one after the
other: ``batch`` and ``ptr`` index points, ``condition_batch`` indexes operating points. So does
PyG's own collation of ``to_data()``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    from torch_geometric.data import Data


EDGES: Final = ("edge_index", "edge_shift", "basis")
"""Attributes that are worked out from the places of points."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A condition or a label: its name (an attribute of the case), its unit, what it is."""

    name: str
    unit: str
    meaning: str


@runtime_checkable
class Case(Protocol):
    """Named tensors of one case or of several: a ``Batch``, or PyG's ``Data``."""

    def __getattr__(self, name: str, /) -> Any: ...
    def __setattr__(self, name: str, value: Any, /) -> None: ...
    def __getitem__(self, key: str, /) -> Any: ...
    def __setitem__(self, key: str, value: Any, /) -> None: ...
    def __contains__(self, key: str, /) -> bool: ...

    def keys(self) -> list[str]:
        """Return the names of what there is."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return what there is by name."""
        ...

    def clone(self) -> Case:
        """Return a copy; gradients flow through it."""
        ...

    def to(self, device: str, /) -> Case:
        """Return the case with its tensors on a device."""
        ...


class Batch:
    """Named tensors, as attributes or by key; what is None is not there.

    Nothing is checked and nothing is worked out from the rest: how cases are joined is said by
    whoever joins them.
    """

    def __init__(self, **attributes: Any) -> None:
        """Hold what is given, by name."""
        for name, value in attributes.items():
            setattr(self, name, value)

    @classmethod
    def from_dict(cls, attributes: Mapping[str, Any]) -> Batch:
        """Return a batch of what a mapping holds."""
        return cls(**attributes)

    @classmethod
    def from_data(cls, data: Data) -> Batch:
        """Return what a PyG ``Data`` holds, its own collation included; nothing is copied."""
        return cls(**data.to_dict())

    def to_data(self) -> Data:
        """Return a PyG ``Data``, for PyG's loaders and networks; nothing is copied."""
        from formwright.datasets.pyg import CaseData

        return CaseData.from_dict(self.to_dict())

    def __getattr__(self, name: str) -> Any:
        """Say what there is instead of an attribute that is not there."""
        raise AttributeError(f"the case has no {name!r}; it has {', '.join(self.__dict__)}.")

    def __setattr__(self, name: str, value: Any) -> None:
        """Hold a value, or let go of it where it is None."""
        if value is None:
            self.__dict__.pop(name, None)
        else:
            self.__dict__[name] = value

    def __getitem__(self, key: str) -> Any:
        """Return an attribute."""
        if key not in self.__dict__:
            raise KeyError(f"the case has no {key!r}; it has {', '.join(self.__dict__)}.")
        return self.__dict__[key]

    def __setitem__(self, key: str, value: Any) -> None:
        """Hold a value, or let go of it where it is None."""
        setattr(self, key, value)

    def __contains__(self, key: str) -> bool:
        """Whether there is such an attribute."""
        return key in self.__dict__

    def __repr__(self) -> str:
        """Return names and shapes."""
        parts = (f"{name}={_brief(value)}" for name, value in self.__dict__.items())
        return f"Batch({', '.join(parts)})"

    def keys(self) -> list[str]:
        """Return the names of what there is."""
        return list(self.__dict__)

    def to_dict(self) -> dict[str, Any]:
        """Return what there is by name; nothing is copied."""
        return dict(self.__dict__)

    def clone(self) -> Batch:
        """Return a copy; gradients flow through it."""
        return self.apply(Tensor.clone)

    def to(self, device: str | int | torch.device) -> Batch:
        """Return a copy with its tensors on a device."""
        return self.apply(lambda tensor: tensor.to(device))

    def apply(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """Return a copy with its tensors changed by a function."""
        held = self.__dict__.items()
        return Batch(**{k: change(v) if isinstance(v, Tensor) else v for k, v in held})


def _brief(value: Any) -> str:
    """Return the shape of a tensor, or the value itself."""
    return str(list(value.shape)) if isinstance(value, Tensor) else repr(value)


CONDITIONS: Final = (
    Quantity("alpha_deg", "deg", "incidence of the section's x axis to the free stream"),
    Quantity("reynolds", "1", "Reynolds number based on the chord"),
    Quantity("ncrit", "1", "critical amplification exponent of the e^N transition criterion"),
    Quantity("mach", "1", "free-stream Mach number"),
)
DEFAULT_NCRIT: Final = 9.0
DEFAULT_MACH: Final = 0.0


def moved(batch: Case, **changed: Any) -> Batch:
    """Return a copy with attributes changed, without what was worked out from the old places."""
    kept = {name: value for name, value in batch.to_dict().items() if name not in EDGES}
    return Batch.from_dict({**kept, **changed})


def sections_batch(
    pos: Float[Tensor, "cases points 2"],
    conditions: Mapping[str, Float[Tensor, "cases conditions"]],
) -> Batch:
    """Join sections with equally many points and operating points into one batch.

    Args:
        pos: Contours, in chords.
        conditions: ``alpha_deg`` and ``reynolds``, and where they are not the defaults ``ncrit``
            and ``mach``; each of shape (cases, conditions).

    Returns:
        A batch as PyG's collation would give it; gradients flow to every argument.
    """
    n_cases, n_points = pos.shape[:2]
    alpha = conditions["alpha_deg"]
    values = {
        "ncrit": torch.full_like(alpha, DEFAULT_NCRIT),
        "mach": torch.full_like(alpha, DEFAULT_MACH),
        **conditions,
    }
    case = torch.arange(n_cases, device=pos.device)
    return Batch(
        pos=pos.reshape(-1, 2),
        batch=case.repeat_interleave(n_points),
        ptr=torch.arange(n_cases + 1, device=pos.device) * n_points,
        condition_batch=case.repeat_interleave(alpha.shape[1]),
        **{name: value.reshape(-1) for name, value in values.items()},
    )


def section_case(
    pos: Float[Tensor, "points 2"], conditions: Mapping[str, Float[Tensor, " conditions"]]
) -> Batch:
    """Return one section with its operating points as a case (a batch of one).

    Example:
        >>> import formwright, torch
        >>> alpha = torch.tensor([0.0, 4.0])
        >>> conditions = {"alpha_deg": alpha, "reynolds": torch.full((2,), 1e6)}
        >>> case = formwright.section_case(formwright.load_section("e387").pos, conditions)
        >>> case.ncrit
        tensor([9., 9.])
    """
    return sections_batch(pos[None], {name: value[None] for name, value in conditions.items()})
