"""Cases as PyG's ``Data``, which its loaders and its collation join as ours do.

Imported where it is asked for only: ``torch_geometric`` takes longer to import than a prediction.
"""

from __future__ import annotations

from typing import Any

from torch_geometric.data import Data


class CaseData(Data):
    """A case; a hierarchy of graphs in it (``edges_K``, ``size_K``, ``parent_K``) is counted on."""

    def __inc__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        """Return by how much indices of the next case grow in a batch."""
        name, _, level = key.rpartition("_")
        if name in ("edges", "parent"):
            return int(self[f"size_{int(level) + (name == 'parent')}"])
        return super().__inc__(key, value, *args, **kwargs)

    def __cat_dim__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        """Return along which dimension cases are joined."""
        if key.startswith("edges_"):
            return 1
        return super().__cat_dim__(key, value, *args, **kwargs)
