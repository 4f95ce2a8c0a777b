"""A point in RTL: the generated Verilog runs its network, and agrees with the cycle model or is a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hwsim.cosimulation import simulate_network
from hwsim.inputs import given_inputs

if TYPE_CHECKING:
    from collections.abc import Callable

    from hwsim.sweeps.evaluation.networks import SweepNetwork
    from hwsim.sweeps.evaluation.outcome import State
    from hwsim.sweeps.evaluation.settings import Settings

__all__ = ["verified"]

_Verdict = tuple["State", str, dict[str, float], list[dict[str, Any]] | None]


def verified(network: SweepNetwork, settings: Settings, lap: Callable[[str], None]) -> _Verdict:
    """State, reason, figures and layers of a point that ran in RTL.

    Raises:
        ModelError: the architecture cannot take it.
        SimulationError, ToolError: the simulator failed or is missing.

    """
    inputs = given_inputs(network.network, None, settings.seed)
    run = simulate_network(
        network.network,
        settings.config,
        inputs,
        seed=settings.seed,
        objective=settings.mapping,
        rows=settings.rows,
    )
    lap("rtl")
    found = {
        "rtl_cycles": float(run.rtl_cycles),
        "model_cycles": float(run.model_cycles),
        "mismatched_bytes": float(run.mismatched_bytes),
        "compared_bytes": float(run.compared_bytes),
        "layers_differing": float(sum(not layer.agrees for layer in run.layers)),
        "wall_s": run.wall_s,
        "build_s": run.build_s,
    }
    if run.agrees:
        return "done", "", found, None
    apart = run.rtl_cycles - run.model_cycles
    reason = f"RTL differs from the cycle model: {apart:+,} cycles, {run.mismatched_bytes:,} bytes"
    return "failed", reason, found, None
