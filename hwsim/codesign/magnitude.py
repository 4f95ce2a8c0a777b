"""Pruning by magnitude alone: what energy-aware pruning is measured against.

By one threshold over the whole network, or by the same share of every layer. Of single weights: Han et al., "Learning
both Weights and Connections for Efficient Neural Networks", NeurIPS 2015, whose thresholds are a quality factor times
the spread of each layer. Of channels, by the norm of their weights: Li et al., "Pruning Filters for Efficient
ConvNets", ICLR 2017.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compiler.compress.masks import Masks
from hwsim.codesign.restoration import largest
from hwsim.codesign.targets import ChannelTarget, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from hwsim.codesign.settings import Method
    from hwsim.codesign.state import Pruned

    Ranking = Sequence[NDArray[np.float64]]

__all__ = ["RANKINGS", "prune_by_magnitude"]


def prune_by_magnitude(targets: Sequence[Target], pruned: Pruned, share: float, method: Method) -> Masks:
    """The masks of ``pruned`` without another ``share`` (0..1) of what is left, chosen by one of :data:`RANKINGS`.

    Every target keeps at least one of its units.
    """
    kept = RANKINGS[method]([_scores(target, pruned) for target in targets], share)
    masks = pruned.masks
    for target, units in zip(targets, kept, strict=True):
        if isinstance(target, ChannelTarget):
            masks = target.prune(pruned.graph, masks, units)
        else:
            masks = masks & Masks({target.layer.weights: units})
    return masks


def _scores(target: Target, pruned: Pruned) -> NDArray[np.float64]:
    """Of each unit, its magnitude over the spread of its target's; -inf for one that is gone."""
    if isinstance(target, ChannelTarget):
        present, sizes = target.present(pruned.masks), target.magnitudes(pruned.graph)
        spread = float(sizes[present].mean()) if present.any() else 1.0
    else:
        present = target.present(pruned.graph, pruned.masks)
        value = pruned.graph.constant(target.layer.weights)
        assert value is not None, "a layer's weights are constant"
        sizes, spread = np.abs(value).astype(np.float64), float(np.std(value[present])) if present.any() else 1.0
    return np.where(present, sizes / (spread or 1.0), -np.inf)


def _everywhere(scores: Ranking, share: float) -> list[NDArray[np.bool_]]:
    """One threshold."""
    ranked = np.concatenate([s[np.isfinite(s)] for s in scores])
    count = round(share * ranked.size)
    threshold = np.partition(ranked, count)[count] if count < ranked.size else np.inf
    return [(s >= threshold) | largest(s, 1) for s in scores]


def _uniformly(scores: Ranking, share: float) -> list[NDArray[np.bool_]]:
    """The same share of every target."""
    return [largest(s, max(1, round((1 - share) * int(np.isfinite(s).sum())))) for s in scores]


RANKINGS: dict[Method, Callable[[Ranking, float], list[NDArray[np.bool_]]]] = {
    "magnitude": _everywhere,
    "magnitude-uniform": _uniformly,
}
"""Which units a method keeps, by their scores in each target."""
