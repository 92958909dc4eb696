"""What an import says of itself: what was read, refused and guessed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Notes:
    """The report of an import; it is kept in the manifest of the corpus.

    Attributes:
        read: Sentences about what was taken.
        refused: What was left out, each with its place and the reason.
        guessed: What the source did not say, and what was taken for it.

    Example:
        >>> from formwright.datasets.own.notes import Notes
        >>> notes = Notes()
        >>> notes.guessed.append("every row is a group of its own")
        >>> notes.content()["guessed"]
        ['every row is a group of its own']
    """

    read: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    guessed: list[str] = field(default_factory=list)

    def content(self) -> dict[str, Any]:
        """Return the notes as JSON knows them."""
        return {"read": self.read, "refused": self.refused, "guessed": self.guessed}
