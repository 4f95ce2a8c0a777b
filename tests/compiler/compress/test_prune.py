"""Every score with every granularity on every schedule, as far as they make sense: each keeps its promises."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from compiler.compress.granularities import GRANULARITIES, NOfM
from compiler.compress.layers import weight_layers
from compiler.compress.prune import Pruning
from compiler.compress.schedules import SCHEDULES, Rewind
from compiler.compress.scores import SCORES
from compiler.compress.shrink import shrink
from compiler.errors import ModelError
from tests.compiler.compress.networks import Shaker, digits_cnn, run

SENSIBLE = [
    (score.name, granularity.name)
    for score in SCORES
    for granularity in GRANULARITIES
    if score.method.unit == "weight" or granularity.method.needs == "filter"
]
ENERGY = {layer.weights: 1.0 + i for i, layer in enumerate(weight_layers(digits_cnn()))}


def pruning(score: str, granularity: str, **settings) -> Pruning:
    made = GRANULARITIES[granularity]()
    sparsity = made.fixed_sparsity()
    defaults = {"sparsity": 0.5 if sparsity is None else sparsity, "energy_pj": ENERGY, "samples": 16}
    return Pruning(score=SCORES[score](), granularity=made, **(defaults | settings))


COMBINATIONS = [(*pair, schedule.name) for pair in SENSIBLE for schedule in SCHEDULES]


def is_quick(score: str, granularity: str, schedule: str) -> bool:
    """Each score with each granularity, and each granularity with each schedule; three at a time take minutes."""
    return schedule == "one-shot" or score == "magnitude"


@pytest.mark.parametrize(
    ("score", "granularity", "schedule"),
    [pytest.param(*c, marks=() if is_quick(*c) else pytest.mark.slow, id="-".join(c)) for c in COMBINATIONS],
)
def test_the_result_has_the_sparsity_it_was_asked_for_and_zeros_where_the_masks_say(score, granularity, schedule):
    graph, trainer = digits_cnn(), Shaker()
    what = pruning(score, granularity)
    *_, last = what.stages(SCHEDULES[schedule](), graph, trainer, epochs=8)
    assert trainer.epochs == 8
    for name, mask in last.masks.kept.items():
        value = last.graph.constant(name)
        assert value.shape == mask.shape == graph.constant(name).shape
        assert (value[~mask] == 0).all()
    check(granularity, last.masks, graph)
    if GRANULARITIES[granularity].shrinks:
        small, rest = shrink(last.graph, last.masks)
        assert weights(small) < weights(graph) * (0.95 if granularity == "layer" else 0.4)
        np.testing.assert_allclose(run(small, 2), run(last.graph, 2), rtol=1e-4, atol=1e-6)
        assert all(small.constant(n).shape == m.shape for n, m in rest.kept.items())


def weights(graph) -> int:
    return sum(layer.value(graph).size for layer in weight_layers(graph))


def check(granularity: str, masks, graph) -> None:
    """The promise of each granularity at half of its units."""
    for layer in weight_layers(graph):
        if layer.weights not in masks:
            continue
        kept = layer.kernels(masks[layer.weights])
        f, c, h, w = kept.shape
        matrix = kept.reshape(f, -1)
        if granularity == "element":
            assert kept.sum() == kept.size - int(kept.size / 2 + 0.5)
        elif granularity == "n:m":
            for start in range(0, c, 4):
                assert (kept[:, start : start + 4].sum(axis=1) == min(2, c - start)).all()
        elif granularity in ("row", "column", "kernel", "shape"):
            axes = {"row": (3,), "column": (2,), "kernel": (2, 3), "shape": (0,)}[granularity]
            if (h, w) == (1, 1) and granularity in ("row", "column"):
                axes = (1,) if granularity == "row" else (0,)
            units = kept.any(axis=axes)
            assert (units == kept.all(axis=axes)).all()
            assert units.sum() == units.size - int(units.size / 2 + 0.5)
        elif granularity == "block":
            tiles = [matrix[i : i + 4, j : j + 4] for i in range(0, f, 4) for j in range(0, matrix.shape[1], 4)]
            assert all(tile.all() or not tile.any() for tile in tiles)
            assert abs(matrix.mean() - 0.5) <= 16 / matrix.size
        elif granularity in ("filter", "channel") and layer.name != "classifier":
            assert matrix.any(axis=1).sum() == f / 2
    if granularity == "layer":
        assert not masks["pointwise.weight"].any()
        assert not masks["depthwise.weight"].any()


@pytest.mark.parametrize("granularity", ["filter", "element", "block"])
@pytest.mark.parametrize("schedule", ["gradual", "iterative", "rewind"])
def test_what_is_pruned_stays_pruned(schedule, granularity):
    stages = list(pruning("random", granularity).stages(SCHEDULES[schedule](), digits_cnn(), Shaker(), epochs=8))
    for before, after in pairwise(stages):
        assert all((after.masks[n] <= before.masks[n]).all() for n in before.masks)


@pytest.mark.parametrize("schedule", ["splice", "hard-threshold", "soft"])
def test_what_is_pruned_may_return(schedule):
    what = pruning("magnitude", "element")
    stages = list(what.stages(SCHEDULES[schedule](), digits_cnn(), Shaker(), epochs=12))
    returned = [(after.masks[n] > before.masks[n]).any() for before, after in pairwise(stages) for n in before.masks]
    assert any(returned)


def test_rewound_weights_are_the_first_ones():
    graph = digits_cnn()
    initial = Shaker(seed=7).fit(graph, pruning("magnitude", "element").masks(graph, Shaker(), 0), 1)
    for start in (None, initial):
        stages = list(pruning("magnitude", "element").stages(Rewind(3), graph, Shaker(), 9, initial=start))
        rewound = [stage for stage in stages if stage.what.startswith("rewound")]
        assert len(rewound) == 3
        for stage in rewound:
            for name, mask in stage.masks.kept.items():
                first = (start or graph).constant(name)
                np.testing.assert_array_equal(stage.graph.constant(name), np.where(mask, first, 0))


def test_global_scope_takes_from_where_there_is_least_to_lose():
    graph = digits_cnn()
    local = pruning("magnitude", "element").masks(graph, Shaker())
    pooled = pruning("magnitude", "element", scope="global").masks(graph, Shaker())
    assert pooled.sparsity() == pytest.approx(local.sparsity(), abs=1e-3)
    kept, gone = [], []
    for name, mask in pooled.kept.items():
        value = np.abs(graph.constant(name))
        kept.append(value[mask].min())
        gone.append(value[~mask].max(initial=0))
    assert min(kept) >= max(gone)


def test_single_layers_have_a_sparsity_of_their_own():
    masks = pruning("magnitude", "element", layers={"conv*": 0.75, "classifier": 0}).masks(digits_cnn(), Shaker())
    assert masks.sparsity("conv2.weight") == 0.75
    assert masks.sparsity("pointwise.weight") == 0.5
    assert "classifier.weight" not in masks


def test_a_mask_of_the_random_score_is_the_best_of_its_draws():
    graph, trainer = digits_cnn(), Shaker()
    single = Pruning(score=SCORES["random"](1), granularity=GRANULARITIES["filter"](), sparsity=0.5)
    several = Pruning(score=SCORES["random"](20), granularity=GRANULARITIES["filter"](), sparsity=0.5)
    accuracy = [trainer.evaluate(p.masks(graph, trainer).apply(graph)) for p in (single, several)]
    assert accuracy[1] > accuracy[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sparsity": 1.2}, r"^sparsity: a sparsity is at least 0 and below 1, not 1\.2$"),
        ({"sparsity": -0.1}, "below 1, not -0.1"),
        ({"layers": {"conv1": 1.0}}, r"^conv1: a sparsity is at least 0 and below 1, not 1\.0$"),
        ({"layers": {"conv1": 0.5}, "scope": "global"}, "scope 'global' has one sparsity"),
    ],
)
def test_an_impossible_target_is_refused(settings, message):
    with pytest.raises(ModelError, match=message):
        pruning("magnitude", "element", **settings)


def test_an_impossible_pattern_is_refused():
    with pytest.raises(ModelError, match="n is 1 to m, not 5 of 4"):
        NOfM(5, 4)
    with pytest.raises(ModelError, match="rows and columns are 1 or more, not 0 by 4"):
        GRANULARITIES["block"](0, 4)


def test_parts_that_do_not_fit_are_refused_by_name():
    with pytest.raises(ModelError, match=r"^score 'apoz' judges filters, granularity 'block' prunes within them"):
        pruning("apoz", "block")
    with pytest.raises(ModelError, match=r"no layer is called 'fc\*'; there are conv1, conv2"):
        pruning("magnitude", "element", layers={"fc*": 0.5}).masks(digits_cnn(), Shaker())
    with pytest.raises(ModelError, match="energy per weight of layer 'conv1' is not known"):
        pruning("energy", "element", energy_pj={}).masks(digits_cnn(), Shaker())
