"""A recipe: the steps of a compression, from a YAML file, checked before anything is done."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from compiler.compress.granularities import GRANULARITIES
from compiler.compress.low_rank import FACTORISATIONS
from compiler.compress.prune import Pruning
from compiler.compress.quantisers import QUANTISERS
from compiler.compress.schedules import SCHEDULES
from compiler.compress.scores import SCORES
from compiler.compress.settings import build, explain
from compiler.errors import ModelError
from rtl.strict_yaml import YamlError, parse_yaml

__all__ = [
    "FinetuneStep",
    "LowRankStep",
    "PruneStep",
    "QuantiseStep",
    "Recipe",
    "ShareStep",
    "Step",
    "StoreStep",
    "load_recipe",
    "parse_recipe",
]

MAX_FILE_BYTES = 1 << 20

Spec = str | dict[str, Any]
"""A registered method: its name, or a mapping of ``name`` and its settings."""
Epochs = Annotated[int, Field(ge=0, le=10_000)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class PruneStep(_Part):
    """Remove weights."""

    kind: Literal["prune"]
    score: Spec = "magnitude"
    """What a weight is worth."""
    granularity: Spec = "element"
    """Which weights go together."""
    schedule: Spec = "one-shot"
    """When what share goes, and what is trained in between."""
    sparsity: float | None = None
    """Share of the units to remove, 0 up to but not including 1. Needed unless the granularity implies it."""
    scope: Literal["layer", "global"] = "layer"
    """Whether the sparsity holds in each layer, or over all of them."""
    layers: dict[str, float] = Field(default_factory=dict)
    """Sparsities of single layers, by patterns of their names (`conv*`); 0 leaves a layer alone."""
    epochs: Epochs = 0
    """Of training, in all; needs PyTorch."""
    update: Literal["none", "obs", "least-squares"] = "none"
    """Closed-form correction of the kept weights: the optimal brain surgeon's, or a fit to each layer's old output."""
    shrink: bool = True
    """Whether whole channels and layers are cut out of the network."""

    def pruning(self, *, samples: int, seed: int, energy_pj: dict[str, float] | None = None) -> Pruning:
        """The composition.

        Raises:
            ModelError: parts that do not exist, do not fit together, or a target that is impossible.

        """
        granularity = build(GRANULARITIES, self.granularity)
        implied = granularity.fixed_sparsity()
        if implied is None and self.sparsity is None:
            raise ModelError("sparsity is missing: the share of units to remove, 0..1")
        if implied is not None and self.sparsity is not None and self.sparsity != implied:
            raise ModelError(f"sparsity {self.sparsity} contradicts the granularity, whose pattern implies {implied}")
        sparsity = implied if implied is not None else self.sparsity
        assert sparsity is not None, "one of them is given"
        return Pruning(
            score=build(SCORES, self.score),
            granularity=granularity,
            sparsity=sparsity,
            scope=self.scope,
            layers=self.layers,
            samples=samples,
            seed=seed,
            energy_pj=energy_pj or {},
        )

    @model_validator(mode="after")
    def _check(self) -> PruneStep:
        self.pruning(samples=1, seed=0)
        build(SCHEDULES, self.schedule)
        if self.update == "obs" and self.epochs:
            raise ModelError("update 'obs' corrects weights as they were before training; leave out epochs")
        return self


class QuantiseStep(_Part):
    """Put weights on the grid of a format, and say how activations are calibrated."""

    kind: Literal["quantise"]
    weights: Spec = "uniform"
    """The format of all layers."""
    layers: dict[str, Spec] = Field(default_factory=dict)
    """Formats of single layers, by patterns of their names."""
    activations: Literal["max", "percentile", "mse", "kl"] = "max"
    """Which range the int8 activations cover."""
    epochs: Epochs = 0
    """Of quantisation-aware training, with straight-through gradients; needs PyTorch."""

    @model_validator(mode="after")
    def _check(self) -> QuantiseStep:
        for spec in (self.weights, *self.layers.values()):
            build(QUANTISERS, spec)
        return self


class ShareStep(_Part):
    """Weight sharing: a codebook for each layer, by k-means. Pruned weights stay zero."""

    kind: Literal["share"]
    bits: Annotated[int, Field(ge=1, le=8)] = 5
    """Of a weight's index into the codebook."""
    layers: dict[str, Annotated[int, Field(ge=1, le=8)]] = Field(default_factory=dict)
    """Bits of single layers, by patterns of their names."""
    activations: Literal["max", "percentile", "mse", "kl"] = "max"
    """Which range the int8 activations cover."""
    epochs: Epochs = 0
    """Of training the codebooks; needs PyTorch."""


class LowRankStep(_Part):
    """Factorise layers into thinner ones, where that makes fewer weights."""

    kind: Literal["low_rank"]
    method: Spec
    """`svd` or `tucker-2`, with its `energy` or `rank`."""
    layers: list[str] = Field(default_factory=lambda: ["*"])
    """Which layers, by patterns of their names."""
    epochs: Epochs = 0
    """Of training afterwards; needs PyTorch."""

    @field_validator("method")
    @classmethod
    def _known(cls, given: Spec) -> Spec:
        build(FACTORISATIONS, given)
        return given


class FinetuneStep(_Part):
    """Train what is kept, as it is now."""

    kind: Literal["finetune"]
    method: Literal["training", "least-squares"] = "training"
    """`training` needs PyTorch; `least-squares` fits each layer's kept weights to its output in the first network."""
    epochs: Epochs = 1


class StoreStep(_Part):
    """Report what the weights take when stored as Deep Compression stores them: relative indices, codes, Huffman."""

    kind: Literal["store"]
    index_bits: Annotated[int, Field(ge=2, le=8)] = 5
    """Of the distance to the next kept weight, in fully connected layers."""
    conv_index_bits: Annotated[int, Field(ge=2, le=8)] = 8
    """The same in convolutions."""


Step = Annotated[
    PruneStep | QuantiseStep | ShareStep | LowRankStep | FinetuneStep | StoreStep, Field(discriminator="kind")
]
KINDS: dict[str, type[BaseModel]] = {
    "prune": PruneStep,
    "quantise": QuantiseStep,
    "share": ShareStep,
    "low_rank": LowRankStep,
    "finetune": FinetuneStep,
    "store": StoreStep,
}


class Recipe(_Part):
    """What is done to a network, in order."""

    name: str = "recipe"
    """For reports."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of all chance: random scores, order of training samples."""
    samples: Annotated[int, Field(ge=1)] = 256
    """Training samples that scores, calibration and closed-form fits look at."""
    output: Literal["qdq", "float"] = "qdq"
    """`qdq`: int8 activations and quantised weights; `float`: neither, formats being emulated in floats."""
    steps: Annotated[list[Step], Field(min_length=1)]

    @field_validator("steps", mode="before")
    @classmethod
    def _named(cls, given: object) -> object:
        """Each step is a mapping of its kind to its settings, or its kind alone."""
        if isinstance(given, list):
            return [_step(index, step) for index, step in enumerate(given, 1)]
        raise ModelError(f"steps is a list of steps, such as '- prune: {{sparsity: 0.9}}', not {given!r}")

    @model_validator(mode="after")
    def _ordered(self) -> Recipe:
        formatted = False
        for index, step in enumerate(self.steps, 1):
            formatted |= step.kind in ("quantise", "share")
            if step.kind == "store" and not formatted:
                raise ModelError(
                    f"step {index} (store): weights have no codes to store yet; quantise or share them first"
                )
        return self


def _step(index: int, given: object) -> object:
    if isinstance(given, str):
        given = {given: {}}
    if not isinstance(given, dict) or len(given) != 1:
        raise ModelError(f"step {index} is one of {', '.join(KINDS)} with its settings")
    ((kind, settings),) = given.items()
    if kind not in KINDS:
        near = difflib.get_close_matches(str(kind), list(KINDS), n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ModelError(f"step {index}: there is no step {kind!r}; {hint}known: {', '.join(KINDS)}")
    settings = {} if settings is None else settings
    if not isinstance(settings, dict):
        raise ModelError(f"step {index} ({kind}): its settings are a mapping, not {settings!r}")
    for key in settings:
        known = [name for name in KINDS[kind].model_fields if name != "kind"]
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
            raise ModelError(f"step {index} ({kind}): {key!r} is not a setting; {hint}")
    return {"kind": kind, **settings}


def load_recipe(path: str | Path) -> Recipe:
    """The recipe in a YAML file.

    Raises:
        ModelError: no such file, not YAML, or a recipe that cannot be.

    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise ModelError(f"{path}: larger than {MAX_FILE_BYTES} bytes, not a recipe")
        text = content.decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise ModelError(f"{path}: cannot be read: {reason}") from error
    return parse_recipe(text, str(path))


def parse_recipe(text: str, origin: str) -> Recipe:
    """A recipe from YAML text; ``origin`` names it in errors.

    Raises:
        ModelError: as :func:`load_recipe`.

    """
    try:
        tree = parse_yaml(text)
    except YamlError as error:
        raise ModelError(f"{origin}: {error}") from error
    if not isinstance(tree, dict):
        raise ModelError(f"{origin}: a recipe is a mapping with steps, not {type(tree).__name__}")
    for key in tree:
        if key not in Recipe.model_fields:
            near = difflib.get_close_matches(str(key), list(Recipe.model_fields), n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(Recipe.model_fields)}"
            raise ModelError(f"{origin}: {key!r} is not a setting of a recipe; {hint}")
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        raise ModelError(f"{origin}: {explain(error)}") from error
