"""Where pruning is: everything that the next step depends on, in a form that a file can hold."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compiler.compress.masks import Masks
from hwsim.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from hwsim.training.parameters import statistics, trained

if TYPE_CHECKING:
    from compiler.ir import Graph

__all__ = ["LocalStep", "Pruned", "RoundStep", "State", "load_state", "save_state"]


@dataclass(frozen=True, slots=True, eq=False)
class Pruned:
    """A network in its original shape, and what is zero in it."""

    graph: Graph
    masks: Masks


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStep:
    """What one round did to one target."""

    round: int
    target: str
    share: float
    """Of the objective, in the layers that the target touches, as the round began."""
    before: int
    """Channels or weights."""
    kept: int
    value_before: float
    """The network's objective: pJ, cycles, or pJ times cycles."""
    value_after: float
    removed_error: float
    """Of the readers' outputs, relative: what magnitude alone would lose."""
    restored_error: float
    fitted_error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundStep:
    """How one round ended."""

    round: int
    strength: float
    accuracy_before_tuning: float
    accuracy: float
    """After global fine-tuning, on the validation data."""
    value: float
    accepted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Between two steps."""

    accepted: Pruned
    """The best network so far that holds the accuracy floor."""
    current: Pruned
    """The one being pruned."""
    strength: float
    """The share of a target that a round may take, 0..1."""
    trade: float = 0.5
    """Output error that is worth the whole objective."""
    round: int = 0
    order: tuple[str, ...] = ()
    """Targets of this round, most of the objective first."""
    position: int = 0
    """Of the next target in ``order``."""
    failures: int = 0
    """Rounds in a row that missed the floor."""
    done: bool = False
    locals: tuple[LocalStep, ...] = field(default=())
    rounds: tuple[RoundStep, ...] = field(default=())


def save_state(path: Path, key: str, state: State) -> None:
    """Write ``state``, whole or not at all.

    Raises:
        InputError: it cannot be written.

    """
    arrays = {}
    for name, pruned in (("accepted", state.accepted), ("current", state.current)):
        for constant in (*trained(pruned.graph), *statistics(pruned.graph)):
            arrays[f"{name}/value/{constant}"] = pruned.graph.constant(constant)
        arrays |= {f"{name}/mask/{constant}": mask for constant, mask in pruned.masks.kept.items()}
    facts = {
        "strength": state.strength,
        "trade": state.trade,
        "round": state.round,
        "order": state.order,
        "position": state.position,
        "failures": state.failures,
        "done": state.done,
        "locals": [asdict(step) for step in state.locals],
        "rounds": [asdict(step) for step in state.rounds],
    }
    save_checkpoint(path, Checkpoint(key, arrays, facts))


def load_state(path: Path, key: str, start: State) -> State:
    """What was saved at ``path``; ``start`` if there is nothing.

    Raises:
        InputError: the file is damaged, or of other work.

    """
    saved = load_checkpoint(path, key)
    if saved is None:
        return start
    facts: dict[str, Any] = dict(saved.facts)
    return replace(
        start,
        accepted=_pruned(saved, "accepted", start.accepted.graph),
        current=_pruned(saved, "current", start.accepted.graph),
        strength=facts["strength"],
        trade=facts["trade"],
        round=facts["round"],
        order=tuple(facts["order"]),
        position=facts["position"],
        failures=facts["failures"],
        done=facts["done"],
        locals=tuple(LocalStep(**step) for step in facts["locals"]),
        rounds=tuple(RoundStep(**step) for step in facts["rounds"]),
    )


def _pruned(saved: Checkpoint, name: str, source: Graph) -> Pruned:
    graph, masks = source.copy(), {}
    for key, value in saved.arrays.items():
        if key.startswith(f"{name}/value/"):
            graph.set_constant(key.removeprefix(f"{name}/value/"), value)
        elif key.startswith(f"{name}/mask/"):
            masks[key.removeprefix(f"{name}/mask/")] = value
    return Pruned(graph, Masks(masks))
