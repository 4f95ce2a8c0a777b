"""Energy-aware pruning: rounds of local steps on every target, then global fine-tuning, until the accuracy floor.

Yang, Chen and Sze, "Designing Energy-Efficient Convolutional Neural Networks using Energy-Aware Pruning", CVPR 2017:

1. targets in order of what they cost on this accelerator, most first (:meth:`Pruner._begin_round`);
2. removal by magnitude, 3. restoration by output error, 4. closed-form least-squares fit, target by target, each
   seeing what the ones before it have lost (:class:`hwsim.codesign.local.Local`);
5. global fine-tuning by back-propagation, and again from 1 until the accuracy floor (:meth:`Pruner._end_round`).

How much of a target goes is not in the paper; here the cost model decides: of several amounts the one with the least

    objective(amount) / objective(now) + error(amount) / trade

so a target that costs little, or whose removal saves nothing on this hardware, keeps what it has. A round that misses
the floor is undone, and the next may take half as much; where no target goes, errors count for half as much.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.compress.masks import Masks
from hwsim.codesign.local import Candidate, Fit, Local
from hwsim.codesign.magnitude import RANKINGS, prune_by_magnitude
from hwsim.codesign.state import LocalStep, Pruned, RoundStep, State, load_state, save_state
from hwsim.codesign.targets import ChannelTarget, Target, targets, without_dead
from hwsim.progress import SILENT

if TYPE_CHECKING:
    from compiler.compress.trainer import Trainer
    from compiler.ir import Graph
    from hwsim.codesign.cost import CostModel, NetworkCost
    from hwsim.codesign.settings import Method, PruneSettings
    from hwsim.progress import Reporter

__all__ = ["Pruner"]

_START: dict[Method, float] = {"energy-aware": 0.4, "magnitude": 0.3, "magnitude-uniform": 0.3}
"""The share of a target that goes in the first round: at most, or exactly."""
_CAUTION = 0.5
"""What is left of that share after a round that missed the floor."""
_AMOUNTS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Parts of that share to choose from."""
_MOST_TRADE = 512.0
"""Where even the loss of all outputs is worth a five-hundredth of the objective: what is left saves nothing."""


class Pruner:
    """Prunes ``graph`` for what ``cost`` says.

    ``work`` is a file that the state goes to after every step. Run again with the same file, pruning goes on from
    there, and ends as if it had never stopped.
    """

    def __init__(
        self,
        graph: Graph,
        cost: CostModel,
        trainer: Trainer,
        settings: PruneSettings,
        *,
        work: Path | None = None,
        key: str = "",
        reporter: Reporter = SILENT,
    ) -> None:
        self.graph, self.cost, self.settings = graph, cost, settings
        self._trainer, self._work, self._key, self._reporter = trainer, work, key, reporter
        # Magnitude knows no structure: it takes the finest that the hardware can use.
        units = cost.units if settings.method == "energy-aware" else cost.units[-1:]
        self.targets: dict[str, Target] = {target.name: target for unit in units for target in targets(graph, unit)}
        self._channels = tuple(t for t in targets(graph, "channel") if isinstance(t, ChannelTarget))
        self.baseline = trainer.evaluate(graph)
        self.floor = self.baseline - settings.max_loss

    def run(self) -> State:
        """Prune until the floor is reached, and return what holds it.

        Raises:
            ModelError, InputError: the network cannot be trained or mapped; the state cannot be written or read.

        """
        state = self.start()
        if self._work is not None:
            state = load_state(self._work, self._key, state)
        while not state.done:
            state = self.advance(state)
            if self._work is not None:
                save_state(self._work, self._key, state)
        return state

    def start(self) -> State:
        """Before the first step."""
        whole = Pruned(self.graph, Masks.none())
        return State(accepted=whole, current=whole, strength=_START[self.settings.method])

    def advance(self, state: State) -> State:
        """One step: of a round its beginning, one target, or its end."""
        if not state.order:
            return self._begin_round(state)
        return self._local(state) if state.position < len(state.order) else self._end_round(state)

    def _value(self, pruned: Pruned) -> float:
        return self._cost(pruned).value(self.settings.objective)

    def _cost(self, pruned: Pruned) -> NetworkCost:
        return self.cost.cost(pruned.graph, pruned.masks)

    def _begin_round(self, state: State) -> State:
        """Step 1."""
        cost = self._cost(state.accepted)
        shares = {n: cost.share(t.layers, self.settings.objective) for n, t in self.targets.items()}
        order = tuple(sorted(shares, key=lambda name: -shares[name]))
        if state.round >= self.settings.rounds or not order:
            return replace(state, done=True)
        current = state.accepted
        if self.settings.method in RANKINGS:
            masks = prune_by_magnitude(tuple(self.targets.values()), current, state.strength, self.settings.method)
            return replace(state, current=Pruned(current.graph, masks), order=order, position=len(order))
        return replace(state, current=current, order=order, position=0)

    def _local(self, state: State) -> State:
        """Steps 2 to 4 on the next target."""
        name, target = state.order[state.position], self.targets[state.order[state.position]]
        self._reporter.stage(f"round {state.round + 1}: {name}, {state.position + 1} of {len(state.order)}")
        accepted, current = state.accepted, state.current
        local = Local(target, current.graph, accepted.graph, current.masks, self._trainer, self.settings.samples)
        cost, now = self._cost(accepted), self._value(current)
        candidates = {count: local.candidate(count) for count in self._counts(target, local.count, state.strength)}
        values = {count: self._value(Pruned(current.graph, c.masks)) for count, c in candidates.items()}

        errors = {count: self._error(local, candidate, target) for count, candidate in candidates.items()}

        def price(count: int) -> float:
            return values[count] / now + errors[count] / state.trade

        # Of equals, the one that keeps most.
        chosen = min(sorted(candidates, reverse=True), key=price)
        fit = local.fit(candidates[chosen])
        step = _logged(
            candidates[chosen],
            fit,
            round_number=state.round,
            target=name,
            share=cost.share(target.layers, self.settings.objective),
            before=local.count,
            values=(now, values[chosen]),
        )
        if chosen < local.count:
            current = self._applied(current, candidates[chosen], fit)
        return replace(state, current=current, position=state.position + 1, locals=(*state.locals, step))

    @staticmethod
    def _error(local: Local, candidate: Candidate, target: Target) -> float:
        """What is lost: of channels after the fit, of weights before it, for each output's fit is its own."""
        return local.fit(candidate).error if isinstance(target, ChannelTarget) else candidate.restored_error

    def _counts(self, target: Target, present: int, most: float) -> list[int]:
        """How many units to keep, to choose from; of channels also those that fill their last tile.

        At least one may go, and ``most`` (0..1) of them at most.
        """
        largest = max(1, round(most * present))
        counts = {max(1, present - round(part * largest)) for part in _AMOUNTS}
        if isinstance(target, ChannelTarget):
            quantum = self.cost.quantum
            counts |= {filled for count in counts if (filled := count // quantum * quantum) >= present - largest > 0}
        return sorted(counts)

    @staticmethod
    def _applied(pruned: Pruned, candidate: Candidate, fit: Fit) -> Pruned:
        graph = pruned.graph.copy()
        for name, value in fit.weights.items():
            graph.set_constant(name, value)
        return Pruned(candidate.masks.apply(graph), candidate.masks)

    def _end_round(self, state: State) -> State:
        """Step 5, and whether it was worth it."""
        if state.current.masks.equals(state.accepted.masks):
            return self._nothing_pruned(state)
        masks = without_dead(state.current.masks, self._channels, self.graph)
        masked = masks.apply(state.current.graph)
        before = self._trainer.evaluate(masked)
        tuned = self._trainer.fit(masked, masks, self.settings.epochs)
        accuracy = self._trainer.evaluate(tuned)
        current = Pruned(tuned, masks)
        # Accuracies are counts of samples: what is the floor to the last sample holds it.
        accepted = accuracy >= self.floor - 1e-9
        step = RoundStep(
            round=state.round,
            strength=state.strength,
            accuracy_before_tuning=before,
            accuracy=accuracy,
            value=self._value(current),
            accepted=accepted,
        )
        failures = 0 if accepted else state.failures + 1
        return replace(
            state,
            accepted=current if accepted else state.accepted,
            strength=state.strength * (1.0 if accepted else _CAUTION),
            failures=failures,
            done=failures >= self.settings.retries,
            rounds=(*state.rounds, step),
            round=state.round + 1,
            order=(),
            position=0,
        )

    def _nothing_pruned(self, state: State) -> State:
        """Let savings count for more against errors; or end, where nothing is left that saves."""
        done = self.settings.method in RANKINGS or state.trade >= _MOST_TRADE
        return replace(state, trade=2 * state.trade, done=done, order=(), position=0)


def _logged(
    candidate: Candidate,
    fit: Fit,
    *,
    round_number: int,
    target: str,
    share: float,
    before: int,
    values: tuple[float, float],
) -> LocalStep:
    return LocalStep(
        round=round_number,
        target=target,
        share=share,
        before=before,
        kept=candidate.kept,
        value_before=values[0],
        value_after=values[1] if candidate.kept < before else values[0],
        removed_error=candidate.removed_error,
        restored_error=candidate.restored_error,
        fitted_error=fit.error,
    )
