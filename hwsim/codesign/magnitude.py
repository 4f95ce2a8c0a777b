"""Pruning by magnitude alone: what energy-aware pruning is measured against.

Of single weights, those of each layer below a threshold that follows their spread: Han et al., "Learning both Weights
and Connections for Efficient Neural Networks", NeurIPS 2015. Of channels, the same share of every layer, by the norm of
their weights: Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compiler.compress.masks import Masks
from hwsim.codesign.restoration import largest
from hwsim.codesign.targets import ChannelTarget, Target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hwsim.codesign.state import Pruned

__all__ = ["prune_by_magnitude"]


def prune_by_magnitude(targets: Sequence[Target], pruned: Pruned, share: float) -> Masks:
    """The masks of ``pruned`` without another ``share`` (0..1) of what is left.

    Of weights, so many over all layers, ranked by magnitude over their layer's standard deviation; of channels, so many
    in each target, at least one being kept.
    """
    masks = pruned.masks
    elements = [target for target in targets if not isinstance(target, ChannelTarget)]
    for target in targets:
        if isinstance(target, ChannelTarget):
            present = target.present(masks)
            scores = np.where(present, target.magnitudes(pruned.graph), -np.inf)
            count = max(1, round((1 - share) * int(present.sum())))
            masks = target.prune(pruned.graph, masks, largest(scores, count))
    if not elements:
        return masks
    scores = {}
    for target in elements:
        present, value = target.present(pruned.graph, masks), pruned.graph.constant(target.layer.weights)
        assert value is not None, "a layer's weights are constant"
        spread = float(np.std(value[present])) if present.any() else 1.0
        scores[target.layer.weights] = np.where(present, np.abs(value) / (spread or 1.0), -np.inf)
    ranked = np.concatenate([s[np.isfinite(s)] for s in scores.values()])
    count = round(share * ranked.size)
    threshold = np.partition(ranked, count)[count] if count < ranked.size else np.inf
    return masks & Masks({name: score >= threshold for name, score in scores.items()})
