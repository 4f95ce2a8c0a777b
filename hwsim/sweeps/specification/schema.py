"""What a sweep's file may say."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Fronts", "Goal", "Sampler", "SearchSettings", "SweepFile"]

Goal = Literal["cycles", "energy", "edp"]
Sampler = Literal["grid", "nsga2", "tpe", "random"]
Fronts = Literal["per_model", "together"]

_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class SearchSettings(_Part):
    """Which of the space's points are evaluated."""

    sampler: Sampler = "grid"
    """``grid``: every one; ``nsga2`` (Deb 2002), ``tpe`` (Ozaki 2022), ``random``: Optuna chooses ``trials``."""
    trials: Annotated[int, Field(ge=1, le=10_000_000)] = 200
    """Of a sampler; shared evenly by the models where each has a front of its own."""
    population: Annotated[int, Field(ge=2, le=10_000)] = 50
    """Points proposed at a time: a generation of NSGA-II, or what is evaluated in parallel."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0


class SweepFile(_Part):
    """One sweep. ``docs/sweeps.md`` has every key with an example."""

    name: Annotated[str, Field(pattern=_NAME)]
    description: Annotated[str, Field(max_length=2000)] = ""
    models: Annotated[list[str], Field(min_length=1, max_length=100)]
    """Workloads or ONNX files; a path is relative to the sweep's file."""
    arch: str = "dense-16x16"
    """The base: a preset, or a YAML file relative to the sweep's."""
    recipe: str | dict[str, Any] | None = None
    """How models are compressed: a recipe's file, or the recipe itself. None: as they are."""
    data: str = "digits"
    """What recipes score, calibrate and train by: ``digits``, or an .npz file relative to the sweep's."""
    mapping: Goal = "cycles"
    """What the mapper minimises in every layer."""
    rows: Literal["balanced", "interleaved"] = "balanced"
    """How rows of compressed weights come to the PEs of a sparse engine."""
    space: Annotated[dict[str, Any], Field(max_length=100)]
    """By dotted name: ``arch.<field>``, ``recipe.<field>``, ``arch``, ``mapping``, ``seed``."""
    constraints: Annotated[list[str], Field(max_length=100)] = []
    """Conditions on settings and figures, all of which must hold."""
    objectives: Annotated[list[str], Field(min_length=1, max_length=6)]
    """Figures, each better as its name says (``docs/sweeps.md``)."""
    fidelity: Literal["vectorised", "analytic", "cycle"] = "analytic"
    """Of every point. ``vectorised``: very many architectures with a dense engine, mapped for the fewest cycles."""
    recheck: Annotated[int, Field(ge=0, le=10_000)] = 20
    """Points of each front that are estimated again by the cycle model, spread over the front."""
    fronts: Fronts = "per_model"
    """``per_model``: a front for each model; ``together``: the model is one more choice."""
    search: SearchSettings = SearchSettings()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Of training and of inputs."""
