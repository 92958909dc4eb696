"""What the package ships: surrogates and pretrained networks, each with its card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "weights"


@dataclass(frozen=True, slots=True)
class ShippedModel:
    """One model that the package ships.

    Attributes:
        name: As ``load``, ``load_network`` and the command line take it.
        loader: The public function that loads it.
        predicts: What it says, or what it is for.
        learned_from: Its training data.
    """

    name: str
    loader: str
    predicts: str
    learned_from: str

    @property
    def card(self) -> Path:
        """The model card, Markdown."""
        return FOLDER / f"{self.name}.md"


_MODELS: Final = (
    ShippedModel(
        "airfoil-polar",
        "load",
        "lift, drag, moment, transition and pressure of a section",
        "201,554 points of XFoil on 8,213 sections",
    ),
    ShippedModel(
        "rans-2d",
        "load",
        "lift, drag, moment and wall pressure of a section in turbulent flow",
        "XFoil's flow, 259 coarse and 411 full cases of OpenFOAM",
    ),
    ShippedModel(
        "adsorption-mamun",
        "load",
        "adsorption energies of 11 species on ordered alloys of 37 metals",
        "27,556 DFT energies of Mamun et al. (2019)",
    ),
    ShippedModel(
        "rans-fields",
        "load_fields",
        "velocity, pressure and eddy viscosity around a section in turbulent flow",
        "409 cases of OpenFOAM",
    ),
    ShippedModel(
        "airfoil-encoder",
        "load_network",
        "nothing yet: fine-tune it on polars",
        "flow of the panel method around 2,009 sections",
    ),
    ShippedModel(
        "turbulent-wall",
        "load_network",
        "nothing yet: fine-tune it on RANS of another solver or turbulence model",
        "XFoil's flow, transition free and forced",
    ),
    ShippedModel(
        "rans-wall",
        "load_network",
        "nothing yet: fine-tune it on RANS",
        "XFoil's flow and 259 coarse cases of OpenFOAM",
    ),
    ShippedModel(
        "atoms",
        "load_network",
        "nothing yet: fine-tune it on adsorption energies",
        "energies of 28,000 slabs by CHGNet, no DFT",
    ),
)


def list_models() -> tuple[ShippedModel, ...]:
    """Return what is shipped: names, what each predicts, what it learned from, and its card.

    Example:
        >>> import formwright
        >>> for model in formwright.list_models()[:3]:
        ...     print(model.name, model.card.exists())
        airfoil-polar True
        rans-2d True
        adsorption-mamun True
    """
    return _MODELS
