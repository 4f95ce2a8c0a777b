"""Optuna's samplers over a space, in batches that come out the same whoever is killed in between.

A batch of trials is asked for as a whole, evaluated, and told in order; the sampler of each trial is seeded by the
trial's number. What is proposed therefore depends on the seed and the results alone: not on which worker was faster,
nor on where a run was interrupted and resumed, nor on how many processes are at it. So trials are asked for in memory,
and written to the study's database when they are told: a batch that was not told is proposed again.
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
    from optuna.trial import FrozenTrial, Trial

    from hwsim.sweeps.space.grid import Assignment
    from hwsim.sweeps.space.space import Space
    from hwsim.sweeps.specification.schema import SearchSettings
    from hwsim.sweeps.specification.specification import Specification

__all__ = ["Proposal", "Search", "open_search"]

_ASSIGNMENT, _NUMBER = "assignment", "number"


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
        self, study: OptunaStudy, record: OptunaStudy, specification: Specification, fixed: Assignment
    ) -> None:
        self._study = study
        """In memory: what samplers look at."""
        self._record = record
        """In the database: what is told."""
        self._specification = specification
        self._fixed = fixed
        self._open: dict[int, Trial] = {}
        recorded = [trial for _, trial in sorted(self._recorded().items())]
        # Of a batch that was only partly written, all is proposed again: its points are in the study.
        settings = specification.file.search
        whole = len(recorded) // settings.population * settings.population
        study.add_trials(recorded if len(recorded) >= settings.trials else recorded[:whole])

    def _recorded(self) -> dict[int, FrozenTrial]:
        """Trials by number. Two processes may both have written one: they have written the same."""
        found: dict[int, FrozenTrial] = {}
        for trial in self._record.get_trials(deepcopy=False):
            found.setdefault(trial.user_attrs[_NUMBER], trial)
        return found

    def batch(self) -> list[Proposal]:
        """The next trials; none at the end."""
        settings = self._specification.file.search
        begin = len(self._study.get_trials(deepcopy=False))
        end = min((begin // settings.population + 1) * settings.population, settings.trials)
        return [self._ask(number) for number in range(begin, end)]

    def _ask(self, number: int) -> Proposal:
        self._study.sampler = _sampler(self._specification.file.search, self._study.study_name, number)
        self._open[number] = trial = self._study.ask()
        assignment = {**self._fixed, **_suggest(self._specification.space, trial, self._fixed)}
        trial.set_user_attr(_NUMBER, number)
        trial.set_user_attr(_ASSIGNMENT, assignment)
        values = self._specification.space.effective(assignment)
        allowed = all(constraint.holds(values) for constraint in self._specification.on_settings)
        return Proposal(number, point_id(assignment), assignment, allowed)

    def tell(self, proposals: Sequence[Proposal], results: Mapping[str, tuple[list[float], float]]) -> None:
        """End trials, in order: ``results`` has the objectives of each point, and by how much it violates constraints.

        A point without a result has failed, and the sampler learns nothing from it.
        """
        from optuna.trial import TrialState

        told = []
        for proposal in proposals:
            trial = self._open.pop(proposal.number)
            values, violation = results.get(proposal.id, ([], 0.0))
            if not values or not all(map(math.isfinite, values)):
                told.append(self._study.tell(trial, state=TrialState.FAIL))
                continue
            if self._specification.on_figures:
                trial.set_constraint("figures", violation)
            told.append(self._study.tell(trial, values))
        recorded = self._recorded()
        self._record.add_trials([trial for trial in told if trial.number not in recorded])


def open_search(specification: Specification, url: str, name: str, fixed: Assignment) -> Search:
    """The trials called ``name`` in the database at ``url``, begun or gone on with."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    arguments = {"connect_args": {"timeout": 120}} if url.startswith("sqlite") else {}
    up, down = optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE
    directions: Any = [up if m else down for m in specification.maximise]
    record = optuna.create_study(
        storage=optuna.storages.RDBStorage(url, engine_kwargs=arguments),
        study_name=name,
        directions=directions,
        load_if_exists=True,
    )
    study = optuna.create_study(storage=optuna.storages.InMemoryStorage(), study_name=name, directions=directions)
    return Search(study, record, specification, fixed)


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


def _suggest(space: Space, trial: Trial, fixed: Assignment) -> Assignment:
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
            case Interval(name, low, high, log, integer=True):
                chosen[name] = trial.suggest_int(name, int(low), int(high), log=log)
            case Interval(name, low, high, log):
                chosen[name] = trial.suggest_float(name, low, high, log=log)
            case Follows(name):
                chosen[name] = parameter.of(space.effective(chosen))
    return {name: value for name, value in chosen.items() if name not in fixed}
