"""The named errors of the package; each message quotes the input and says what to do.

Example:
    >>> import formwright
    >>> try:
    ...     formwright.load("airfoil-polars")
    ... except formwright.errors.FormwrightError as error:
    ...     print(type(error).__name__)
    UnknownNameError
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class FormwrightError(Exception):
    """Root of every error that formwright raises on purpose."""


class SectionError(FormwrightError, ValueError):
    """A section that is not one: open, self-crossing, too few points, not finite."""


class StructureError(FormwrightError, ValueError):
    """Atoms that are no structure: an unknown element, overlapping atoms, no cell, no vacuum."""


class ReactionError(FormwrightError, ValueError):
    """Energies against different references, or a reaction that does not balance."""


class ConditionError(FormwrightError, ValueError):
    """An operating condition without physical meaning, e.g. a negative Reynolds number."""


class UnknownNameError(FormwrightError, KeyError):
    """A name (section, surrogate, key, label) that does not exist; the message suggests others."""

    def __str__(self) -> str:
        """Return the message without the quotes that ``KeyError`` adds."""
        return str(self.args[0]) if self.args else ""


class ConfigError(FormwrightError, ValueError):
    """A configuration (study, command) with an unknown key or a value of the wrong kind."""


class MissingSolverError(FormwrightError, RuntimeError):
    """A solver's binary is not installed, or cannot run here."""


class CorpusError(FormwrightError, ValueError):
    """A corpus that cannot be used: damaged, of a newer version, or without the label asked for."""


class FlowFileError(FormwrightError, ValueError):
    """A file of a mesh or a flow field that is cut off, not what it says, or lacks a field."""


class DownloadError(FormwrightError, RuntimeError):
    """A file that could not be fetched, or that is not what was asked for."""


class CheckpointError(FormwrightError, ValueError):
    """Weights or a checkpoint that do not belong to this architecture or this version."""


class TrainingError(FormwrightError, ArithmeticError):
    """Training that cannot go on: a loss or a gradient that is not finite."""


class ObjectiveError(FormwrightError, ValueError):
    """Embeddings that an objective cannot compare: a batch of one, two shapes, a NaN."""


class ViewError(FormwrightError, ValueError):
    """A view that does not keep the label it is wanted for, or does not fit the case."""


class StorageError(FormwrightError, OSError):
    """Something could not be written; what had been written before is intact."""


class FolderInUseError(FormwrightError, RuntimeError):
    """A folder that another process is writing at this moment."""


class OutOfRangeWarning(UserWarning):
    """An input lies outside the range that a surrogate was trained on."""


class IntegrityWarning(UserWarning):
    """A file without a checksum: nobody can tell whether it is what was written."""


class SectionWarning(UserWarning):
    """What is odd about a section that was read: a kink, a point out of order, wrong counts."""


class FlowWarning(UserWarning):
    """What of a flow that was read is not to be trusted: friction where nothing tells it."""


class StudyWarning(UserWarning):
    """What one must know of a study before its outcome is trusted."""


def did_you_mean(name: str, known: Iterable[str], *, at_most: int = 3) -> str:
    """Return ``" Did you mean 'x' or 'y'?"`` for the nearest known names, or the empty string."""
    close = difflib.get_close_matches(str(name), [str(k) for k in known], n=at_most, cutoff=0.6)
    return f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
