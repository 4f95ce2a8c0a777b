"""Cycles and events of a mapped network: what all points share that differ in clock, supply or technology only."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import TypeAdapter

from compiler.program.program import LayerInfo
from hwsim.analytic import AnalyticCycles
from hwsim.costing import network_cost
from hwsim.sweeps.evaluation.cache import Cache, content_hash

if TYPE_CHECKING:
    from hwsim.costing import Fidelity
    from hwsim.sweeps.evaluation.networks import SweepNetwork
    from hwsim.sweeps.evaluation.settings import Settings

__all__ = ["Timing", "timing_of"]

_INFOS = TypeAdapter(tuple[LayerInfo, ...])


@dataclass(frozen=True, slots=True, eq=False)
class Timing:
    """Of one network on one architecture."""

    infos: tuple[LayerInfo, ...]
    cycles: AnalyticCycles
    """By layer; of either model."""


def timing_of(network: SweepNetwork, settings: Settings, fidelity: Fidelity, cache: Cache) -> Timing:
    """Cycles and events of ``network`` as it is mapped for ``settings``.

    Raises:
        ModelError: the architecture cannot take it.

    """
    content = cache.obtain("timing", _key(network, settings, fidelity), lambda: _made(network, settings, fidelity))
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        infos = _INFOS.validate_json(str(file["infos"]))
        return Timing(infos, AnalyticCycles(file["layers"], file["counters"]))


def _key(network: SweepNetwork, settings: Settings, fidelity: Fidelity) -> str:
    # Energies decide the mapping where it minimises them.
    free = {"name"} if settings.mapping != "cycles" else {"name", "clock_mhz", "technology"}
    # What a sparse layer takes depends on its data.
    data = (settings.seed, settings.rows) if settings.config.sparse_engine is not None else ()
    hardware = settings.config.model_dump(exclude=free)
    return content_hash(network.content, hardware, settings.mapping, fidelity, data)


def _made(network: SweepNetwork, settings: Settings, fidelity: Fidelity) -> bytes:
    cost = network_cost(
        network.network,
        settings.config,
        fidelity,
        objective=settings.mapping,
        seed=settings.seed,
        rows=settings.rows,
    )
    file = io.BytesIO()
    text = _INFOS.dump_json(cost.infos).decode()
    np.savez(file, infos=text, layers=cost.cycles.layers, counters=cost.cycles.counters)
    return file.getvalue()
