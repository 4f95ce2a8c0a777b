"""The steps of a recipe, done one after the other."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import TYPE_CHECKING

from compiler.compress.finish import activation_ranges, fold, quantised_model
from compiler.compress.layers import Layer, weight_layers
from compiler.compress.least_squares import LocalFit, least_squares
from compiler.compress.low_rank import FACTORISATIONS
from compiler.compress.masks import Masks
from compiler.compress.obs import surgeon
from compiler.compress.quantisers import QUANTISERS
from compiler.compress.recipe import (
    FinetuneStep,
    LowRankStep,
    PruneStep,
    QuantiseStep,
    Recipe,
    ShareStep,
    StoreStep,
)
from compiler.compress.schedules import SCHEDULES
from compiler.compress.settings import build
from compiler.compress.shrink import shrink
from compiler.compress.state import State
from compiler.compress.storage import LayerStorage, storage_of
from compiler.errors import ModelError

if TYPE_CHECKING:
    import onnx

    from compiler.compress.trainer import Trainer
    from compiler.ir import Graph

__all__ = ["Compressed", "Kitchen", "compress_graph"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Kitchen:
    """What a recipe is cooked with: a trainer, the recipe's own settings, and where to report to."""

    recipe: Recipe
    trainer: Trainer
    first: Graph
    """The network as it came."""
    energy_pj: Callable[[Graph], Mapping[str, float]] = lambda _: {}
    """What one weight of each layer costs, for the score that asks."""
    report: Callable[[str], None] = lambda _: None


@dataclass(frozen=True, slots=True, eq=False)
class Compressed:
    """The result. ``accuracy`` is measured on the trainer's held-out data, weights as they are stored."""

    state: State
    model: onnx.ModelProto
    accuracy_before: float
    accuracy: float

    @property
    def storage(self) -> tuple[LayerStorage, ...]:
        """What each layer takes when stored as Deep Compression does; empty where the recipe does not ask."""
        step = self.state.store
        return () if step is None else storage_of(self.state, step.index_bits, step.conv_index_bits)


def compress_graph(
    graph: Graph,
    recipe: Recipe,
    trainer: Trainer,
    *,
    energy_pj: Callable[[Graph], Mapping[str, float]] = lambda _: {},
    report: Callable[[str], None] = lambda _: None,
) -> Compressed:
    """Do what ``recipe`` says to the float ``graph``, and write the result as ONNX.

    Raises:
        ModelError: a step does not fit the network.

    """
    kitchen = Kitchen(recipe=recipe, trainer=trainer, first=graph, energy_pj=energy_pj, report=report)
    before = trainer.evaluate(graph)
    state = State(graph, Masks.none())
    for index, step in enumerate(recipe.steps, 1):
        report(f"step {index} of {len(recipe.steps)}: {step.kind}")
        try:
            state = _do(step, state, kitchen)
        except ModelError as error:
            raise ModelError(f"step {index} ({step.kind}): {error}") from error
    return _finished(state, kitchen, before)


def _finished(state: State, kitchen: Kitchen, before: float) -> Compressed:
    report, recipe = kitchen.report, kitchen.recipe
    about = (("hwsim.recipe", recipe.model_dump_json()),)
    if recipe.output == "float":
        from compiler.frontend.write import to_onnx

        final = state.emulated
        return Compressed(state, to_onnx(final, metadata=dict(about)), before, kitchen.trainer.evaluate(final))
    state = _folded(state)
    report("calibrating activations")
    emulated = state.emulated
    ranges = activation_ranges(emulated, kitchen.trainer, recipe.samples, state.calibration)
    model = quantised_model(state.graph, ranges, state.codes(), about=about)
    return Compressed(state, model, before, kitchen.trainer.evaluate(emulated))


def _folded(state: State) -> State:
    """With batch norms folded, once; formats are of folded weights."""
    if state.formats:
        return state
    graph, masks = fold(state.graph, state.masks)
    return replace(state, graph=graph, masks=masks)


@singledispatch
def _do(step: object, state: State, kitchen: Kitchen) -> State:
    raise TypeError(f"no such step: {step!r}, after {state.log}, in {kitchen.recipe.name}")


@_do.register
def _(step: PruneStep, state: State, kitchen: Kitchen) -> State:
    if state.formats:
        raise ModelError("prune before quantising: formats are fitted to the weights that are kept")
    recipe = kitchen.recipe
    pruning = step.pruning(samples=recipe.samples, seed=recipe.seed, energy_pj=dict(kitchen.energy_pj(state.graph)))
    schedule = build(SCHEDULES, step.schedule)
    graph, masks = state.graph, state.masks
    for stage in pruning.stages(schedule, state.graph, kitchen.trainer, step.epochs, kitchen.first):
        kitchen.report(f"prune: {stage.what}")
        graph, masks = stage.graph, stage.masks
    if step.update == "obs":
        graph = surgeon(state.graph, masks, kitchen.trainer, recipe.samples)
    elif step.update == "least-squares":
        graph = least_squares(graph, state.graph, masks, kitchen.trainer, LocalFit(recipe.samples))
    masks = state.masks & masks
    line = f"pruned {masks.sparsity():.1%} of the weights that have masks"
    if pruning.granularity.shrinks and step.shrink:
        before = _weights(graph)
        graph, masks = shrink(graph, masks)
        line += f"; cut out {before - _weights(graph):,} of {before:,} weights"
    return replace(state, graph=masks.apply(graph), masks=masks).noted(line)


@_do.register
def _(step: QuantiseStep, state: State, kitchen: Kitchen) -> State:
    methods = {"*": step.weights, **step.layers}
    return _formatted(state, kitchen, methods, step.activations, step.epochs)


@_do.register
def _(step: ShareStep, state: State, kitchen: Kitchen) -> State:
    methods = {pattern: {"name": "codebook", "bits": bits} for pattern, bits in {"*": step.bits, **step.layers}.items()}
    return _formatted(state, kitchen, methods, step.activations, step.epochs)


def _formatted(
    state: State, kitchen: Kitchen, methods: Mapping[str, str | dict], activations: str, epochs: int
) -> State:
    state = _folded(state)
    layers = weight_layers(state.graph)
    formats = {}
    for layer in layers:
        pattern = _matching(layer, methods, layers)
        method = build(QUANTISERS, methods[pattern])
        value = state.graph.constant(layer.weights)
        assert value is not None, "a layer's weights are constant"
        if not method.has_zero and state.masks.sparsity(*({layer.weights} & set(state.masks))) > 0:
            raise ModelError(f"layer {layer.name!r} is pruned, and its format {methods[pattern]!r} has no zero")
        formats[layer.weights] = method.fit(value, layer.filter_axis)
    state = replace(state, formats=formats, calibration=activations)
    if epochs:
        graph = kitchen.trainer.fit(state.graph, state.masks, epochs, quantisers=formats)
        state = replace(state, graph=graph)
    bits = sorted({quantiser.format.bits for quantiser in formats.values()})
    return state.noted(f"quantised {len(formats)} layers to {', '.join(map(str, bits))} bits")


def _matching(layer: Layer, patterns: Mapping[str, object], layers: list[Layer]) -> str:
    """The last pattern that fits ``layer``."""
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(other.name, pattern) for other in layers):
            known = ", ".join(other.name for other in layers)
            raise ModelError(f"layers: no layer is called {pattern!r}; there are {known}")
    return [pattern for pattern in patterns if fnmatch.fnmatchcase(layer.name, pattern)][-1]


@_do.register
def _(step: LowRankStep, state: State, kitchen: Kitchen) -> State:
    if state.formats:
        raise ModelError("factorise before quantising: formats are fitted to the factors")
    method = build(FACTORISATIONS, step.method)
    graph = state.graph.copy()
    layers = weight_layers(graph)
    for pattern in step.layers:
        _matching(layers[0], {pattern: None, "*": None}, layers)
    before = after = 0
    for layer in layers:
        chosen = any(fnmatch.fnmatchcase(layer.name, pattern) for pattern in step.layers)
        if chosen and method.applies(layer, graph):
            sizes = method.rewrite(graph, layer)
            before, after = before + sizes[0], after + sizes[1]
    graph.drop_unused()
    graph.verify()
    masks = Masks({name: mask for name, mask in state.masks.kept.items() if graph.constant(name) is not None})
    if step.epochs:
        graph = kitchen.trainer.fit(graph, masks, step.epochs)
    return replace(state, graph=graph, masks=masks).noted(f"factorised {before:,} weights into {after:,}")


@_do.register
def _(step: FinetuneStep, state: State, kitchen: Kitchen) -> State:
    if step.method == "least-squares":
        if state.formats:
            raise ModelError("fit by least squares before quantising")
        fit = LocalFit(kitchen.recipe.samples)
        graph = least_squares(state.graph, kitchen.first, state.masks, kitchen.trainer, fit)
        return replace(state, graph=graph).noted("fitted each layer by least squares")
    graph = kitchen.trainer.fit(state.graph, state.masks, step.epochs, quantisers=dict(state.formats) or None)
    return replace(state, graph=graph).noted(f"trained {step.epochs} epochs")


@_do.register
def _(step: StoreStep, state: State, kitchen: Kitchen) -> State:
    del kitchen
    return replace(state, store=step)


def _weights(graph: Graph) -> int:
    return sum(layer.value(graph).size for layer in weight_layers(graph))
