"""What pretraining asks of a network, as values: ``PretrainConfig(pretext=...)``.

====================  ============================================================================
``FlowMatch``         embed section and condition where the flow at that condition is embedded
``FlowPredict``       predict the flow at the condition, station by station
``ViewMatch``         embed two views of a case at one place, by any objective of two views:
                      VICReg, Barlow Twins, SimCLR, Siamese, LeJEPA, VISReg; and with the predictor
                      and the slow copy that they need BYOL, SimSiam, JEPA
``MaskedPrediction``  hide patches, arcs, nodes or atoms; predict their values, or what a slow copy
                      of the encoder says of them
``Denoising``         disturb positions or fields; predict the noise
====================  ============================================================================

The first two are for sections, whose corpus holds flows; the others take any encoder and any data.
A pretext's ``build(network, data, sample)`` adds the networks that are needed only while
pretraining; ``sample`` is a batch as the encoder will see it. What it returns is called with two
views of a batch (where ``two_views`` is False, with one view and the batch without the views that
differ between branches) and gives a ``Loss``.
"""

from __future__ import annotations

from formwright.surrogate.airfoils.flow_pretexts import FlowMatch, FlowPredict
from formwright.surrogate.pretraining.denoising import Denoising
from formwright.surrogate.pretraining.masking import MaskedPrediction
from formwright.surrogate.pretraining.matching import ViewMatch

Pretext = FlowMatch | FlowPredict | ViewMatch | MaskedPrediction | Denoising

__all__ = ["Denoising", "FlowMatch", "FlowPredict", "MaskedPrediction", "Pretext", "ViewMatch"]
