"""Recipes: what is accepted, and the one line that says why something is not."""

from __future__ import annotations

import pytest

from compiler.compress.recipe import PruneStep, QuantiseStep, ShareStep, StoreStep, load_recipe, parse_recipe
from compiler.errors import ModelError


def test_a_recipe_of_every_kind_of_step():
    recipe = parse_recipe(
        """
        name: all of them
        seed: 3
        steps:
          - low_rank: {method: {name: svd, energy: 0.9}, layers: [fc*], epochs: 1}
          - prune: {score: {name: obs, block: 64}, granularity: {name: "n:m", n: 1, m: 4}, update: obs}
          - prune: {sparsity: 0.9, schedule: {name: gradual, steps: 3}, layers: {conv1: 0}, epochs: 6}
          - finetune: {method: least-squares}
          - quantise: {weights: {name: uniform, bits: 4}, layers: {fc*: ternary}, activations: kl}
          - share: {bits: 5, layers: {conv*: 8}}
          - store
        """,
        "test",
    )
    assert [step.kind for step in recipe.steps] == [
        "low_rank",
        "prune",
        "prune",
        "finetune",
        "quantise",
        "share",
        "store",
    ]
    assert isinstance(recipe.steps[1], PruneStep)
    assert recipe.steps[1].pruning(samples=1, seed=0).sparsity == 0.75
    assert isinstance(recipe.steps[4], QuantiseStep)
    assert isinstance(recipe.steps[5], ShareStep)
    assert recipe.steps[5].layers == {"conv*": 8}
    assert recipe.steps[6] == StoreStep(kind="store")
    assert recipe.seed == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "a recipe is a mapping with steps, not list"),
        ("steps: [", "not YAML"),
        ("{}", "steps: field required"),
        ("steps: []", "steps: list should have at least 1 item"),
        ("steps: prune", "steps is a list of steps, such as '- prune: {sparsity: 0.9}', not 'prune'"),
        ("step: []", "'step' is not a setting of a recipe; did you mean steps?"),
        (
            "steps: [{prunes: {}}]",
            "step 1: there is no step 'prunes'; did you mean prune? known: prune, quantise, share",
        ),
        ("steps: [{prune: {}, share: {}}]", "step 1 is one of prune, quantise"),
        ("steps: [{prune: 3}]", "step 1 (prune): its settings are a mapping, not 3"),
        ("steps: [{prune: {sparsty: 0.5}}]", "step 1 (prune): 'sparsty' is not a setting; did you mean sparsity?"),
        ("steps: [{prune: {}}]", "sparsity is missing"),
        ("steps: [{prune: {sparsity: 1.2}}]", "sparsity: a sparsity is at least 0 and below 1, not 1.2"),
        ("steps: [{prune: {sparsity: '0.5'}}]", "sparsity: input should be a valid number (got '0.5')"),
        ("steps: [{prune: {sparsity: .nan}}]", "not nan"),
        ("steps: [{prune: {sparsity: 0.5, layers: {conv1: 2}}}]", "conv1: a sparsity is at least 0 and below 1, not 2"),
        ("steps: [{prune: {sparsity: 0.5, epochs: -1}}]", "epochs: input should be greater than or equal to 0"),
        ("steps: [{prune: {sparsity: 0.5, epochs: 1, update: obs}}]", "update 'obs' corrects weights as they were"),
        (
            "steps: [{prune: {sparsity: 0.5, score: magnitud}}]",
            "there is no score 'magnitud'; did you mean magnitude? known: apoz, bn-scale, energy, entropy, icc",
        ),
        ("steps: [{prune: {sparsity: 0.5, schedule: x}}]", "there is no schedule 'x'; known: gradual, group-lasso"),
        ("steps: [{prune: {sparsity: 0.5, granularity: x}}]", "there is no granularity 'x'; known: block, channel"),
        ("steps: [{prune: {sparsity: 0.5, granularity: block, score: apoz}}]", "score 'apoz' judges filters"),
        ("steps: [{prune: {granularity: {name: 'n:m', n: 5, m: 4}}}]", "granularity 'n:m': n is 1 to m, not 5 of 4"),
        ("steps: [{prune: {granularity: 'n:m', sparsity: 0.7}}]", "sparsity 0.7 contradicts the granularity"),
        ("steps: [{quantise: {weights: {name: uniform, bits: 1}}}]", "quantiser 'uniform': bits are 2 to 8, not 1"),
        ("steps: [{quantise: {layers: {a: fp4}}}]", "there is no quantiser 'fp4'; known: binary, codebook"),
        ("steps: [prune: {sparsity: 0.5}, store: {}]", "step 2 (store): weights have no codes to store yet"),
        ("steps: [{share: {bits: 9}}]", "bits: input should be less than or equal to 8 (got 9)"),
        ("steps: [{low_rank: {method: svd}}]", "factorisation 'svd': give either energy or rank"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_in_one_line(text, message):
    with pytest.raises(ModelError) as caught:
        parse_recipe(text, "recipe.yaml")
    assert str(caught.value).startswith("recipe.yaml: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_none_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"nowhere\.yaml: cannot be read: No such file"):
        load_recipe(tmp_path / "nowhere.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match=r"bytes\.yaml: cannot be read: not text"):
        load_recipe(tmp_path / "bytes.yaml")
    (tmp_path / "large.yaml").write_bytes(b" " * (1 << 20) + b"a: 1")
    with pytest.raises(ModelError, match="larger than"):
        load_recipe(tmp_path / "large.yaml")
