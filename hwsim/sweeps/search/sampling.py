"""Optuna's samplers over a space, in batches that come out the same whoever is killed in between.

A batch of trials is asked for as a whole, evaluated, and told in order; the sampler of each trial is seeded by the
trial's number. What is proposed therefore depends on the seed and the results alone: not on which worker was faster,
nor on where a run was interrupted and resumed.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hwsim.sweeps.space.grid import point_id
from hwsim.sweeps.space.parameter import Follows, Interval, Values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optuna import Study as OptunaStudy
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

    from hwsim.sweeps.space.grid import Assignment
    from hwsim.sweeps.space.space import Space
    from hwsim.sweeps.specification.schema import SearchSettings
    from hwsim.sweeps.specification.specification import Specification

__all__ = ["Proposal", "Search", "open_search"]

_ASSIGNMENT, _CONSTRAINTS = "assignment", "constraints"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A trial, and the point that it is. ``allowed`` says whether the constraints on settings hold."""

    number: int
    id: str
    assignment: Assignment
    allowed: bool


class Search:
    """One sampler's trials, for one front."""

    def __init__(
        self, study: OptunaStudy, storage: BaseStorage, specification: Specification, fixed: Assignment
    ) -> None:
        self._study = study
        self._storage = storage
        self._specification = specification
        self._fixed = fixed

    def batch(self) -> list[Proposal]:
        """The trials of the current batch that are not told yet, asked for where they are missing; none at the end."""
        from optuna.trial import TrialState

        settings = self._specification.file.search
        trials = self._study.get_trials(deepcopy=False)
        open_trials = [t for t in trials if t.state == TrialState.RUNNING]
        proposals = [self._known(trial) for trial in open_trials]
        if not open_trials and len(trials) >= settings.trials:
            return []
        # The batch that the open trials are of; a new one if there are none.
        begin = (open_trials[0].number if open_trials else len(trials)) // settings.population * settings.population
        end = min(begin + settings.population, settings.trials)
        proposals += [self._ask(number) for number in range(len(trials), end)]
        return proposals

    def _ask(self, number: int) -> Proposal:
        self._study.sampler = _sampler(self._specification.file.search, self._study.study_name, number)
        trial = self._study.ask()
        assignment = {**self._fixed, **_suggest(self._specification.space, trial, self._fixed)}
        trial.set_user_attr(_ASSIGNMENT, assignment)
        return self._proposal(trial.number, assignment)

    def _known(self, trial: FrozenTrial) -> Proposal:
        """A trial that was asked for before: by this process, or by one that is gone."""
        assignment = trial.user_attrs.get(_ASSIGNMENT)
        if assignment is None:
            # Killed between the two: there is nothing to evaluate.
            return Proposal(trial.number, "", {}, allowed=False)
        return self._proposal(trial.number, assignment)

    def _proposal(self, number: int, assignment: Assignment) -> Proposal:
        values = self._specification.space.effective(assignment)
        allowed = all(constraint.holds(values) for constraint in self._specification.on_settings)
        return Proposal(number, point_id(assignment), assignment, allowed)

    def tell(self, proposals: Sequence[Proposal], results: Mapping[str, tuple[list[float], float]]) -> None:
        """End trials, in order: ``results`` has the objectives of each point, and by how much it violates constraints.

        A point without a result has failed, and the sampler learns nothing from it.
        """
        from optuna.trial import TrialState

        trials = self._study.get_trials(deepcopy=False)
        for proposal in sorted(proposals, key=lambda p: p.number):
            trial = trials[proposal.number]
            if trial.state.is_finished():
                continue
            values, violation = results.get(proposal.id, ([], 0.0))
            if not values or not all(map(math.isfinite, values)):
                self._study.tell(proposal.number, state=TrialState.FAIL, skip_if_finished=True)
                continue
            if self._specification.on_figures:
                self._constrain(trial, violation)
            self._study.tell(proposal.number, values, skip_if_finished=True)

    def _constrain(self, trial: FrozenTrial, violation: float) -> None:
        from optuna.trial import Trial

        if any(key.startswith(_CONSTRAINTS) for key in trial.system_attrs):
            return  # by a process that was killed before it could tell
        study_id = self._storage.get_study_id_from_name(self._study.study_name)
        trial_id = self._storage.get_trial_id_from_study_id_trial_number(study_id, trial.number)
        Trial(self._study, trial_id).set_constraint("figures", violation)


def open_search(specification: Specification, url: str, name: str, fixed: Assignment) -> Search:
    """The trials called ``name`` in the database at ``url``, begun or gone on with."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    arguments = {"connect_args": {"timeout": 120}} if url.startswith("sqlite") else {}
    storage = optuna.storages.RDBStorage(url, engine_kwargs=arguments)
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        directions=["maximize" if m else "minimize" for m in specification.maximise],
        load_if_exists=True,
    )
    return Search(study, storage, specification, fixed)


def _sampler(settings: SearchSettings, name: str, number: int) -> BaseSampler:
    """What proposes trial ``number`` of the search called ``name``."""
    import optuna

    seed = int.from_bytes(hashlib.sha256(f"{settings.seed}:{name}:{number}".encode()).digest()[:4], "big")
    match settings.sampler:
        case "nsga2":
            return optuna.samplers.NSGAIISampler(population_size=settings.population, seed=seed)
        case "tpe":
            return optuna.samplers.TPESampler(seed=seed)
    return optuna.samplers.RandomSampler(seed=seed)


def _suggest(space: Space, trial: Any, fixed: Assignment) -> Assignment:
    """Values for all parameters that are active; listed values by their place, so that neighbours are near."""
    chosen = dict(fixed)
    for parameter in space.parameters:
        if parameter.name in fixed:
            continue
        if parameter.when is not None and not parameter.when.holds(space.effective(chosen)):
            continue
        match parameter:
            case Values(name, values):
                numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
                place = (
                    trial.suggest_int(name, 0, len(values) - 1)
                    if numbers
                    else trial.suggest_categorical(name, list(range(len(values))))
                )
                chosen[name] = values[place]
            case Interval(name, low, high, log, integer):
                suggest = trial.suggest_int if integer else trial.suggest_float
                chosen[name] = suggest(name, low, high, log=log)
            case Follows(name):
                chosen[name] = parameter.of(space.effective(chosen))
    return {name: value for name, value in chosen.items() if name not in fixed}
