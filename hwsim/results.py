"""What the commands answer: frozen values with units in their names, and their JSON.

The JSON is the interface of `docs/formats.md`: keys are only ever added.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from compiler.mapping.sparse.coded import CodedWeights
    from hwsim.bandwidth import LayerBandwidth

__all__ = [
    "ENGINES",
    "AreaMm2",
    "EnergyPj",
    "Estimate",
    "HostStepEstimate",
    "LayerEstimate",
    "LayerRun",
    "Simulation",
    "Technology",
    "WeightFormat",
]

ENGINES = ("dense", "sparse", "host")
"""Where a layer runs."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Technology:
    """What energy figures are of."""

    table: str
    dram: str
    voltage_v: float | None
    """None where the table does not say."""
    energy_unit: Literal["pJ", "MAC"]
    """``MAC``: every energy is relative to a 16-bit multiply-accumulate, whatever its key says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaMm2:
    """Area by what it holds; wires, pads and control logic apart."""

    mac: float
    register: float
    sram: float

    @property
    def total(self) -> float:
        """The sum."""
        return self.mac + self.register + self.sram

    def to_json(self) -> Json:
        """Keys as the fields, and ``total``."""
        return {**asdict(self), "total": self.total}


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyPj:
    """Energy by where it goes, in picojoules (or as :class:`Technology` says). The clock is in ``register``."""

    mac: float
    register: float
    sram: float
    dram: float
    leakage: float

    @property
    def total(self) -> float:
        """The sum."""
        return self.mac + self.register + self.sram + self.dram + self.leakage

    def to_json(self) -> Json:
        """Keys as the fields, and ``total``."""
        return {**asdict(self), "total": self.total}


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFormat:
    """How a layer's weights are stored, and what that would cost."""

    name: str
    bits: int
    arithmetic: str
    """The processing element that multiplies by them."""
    pe: bool
    """Whether the engine that the layer runs on has such PEs. Otherwise they run as int8."""
    energy_pj: EnergyPj | None = None
    """Of the layer on PEs of its own, estimated by precision; None where it has them."""

    def to_json(self) -> Json:
        """Keys as the fields."""
        return {**asdict(self), "energy_pj": self.energy_pj.to_json() if self.energy_pj else None}


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerEstimate:
    """What one layer costs."""

    name: str
    op: str
    engine: str
    macs: int
    """Multiply-accumulates of the layer as written, padding apart."""
    effective_macs: int
    """Those left when zeros are skipped, of weights and of activations: on the sparse engine; otherwise all."""
    cycles: int
    """From the retirement of the layer before to that of this one, so that the layers' cycles sum up to the total."""
    dram_read_bytes: int
    dram_write_bytes: int
    utilization: float
    """Effective MACs per cycle, over those that its engine could make. Can pass 1 where layers overlap: ``cycles``."""
    bound: str
    """What its time goes to, of :data:`hwsim.bandwidth.BINDING`."""
    counters: dict[str, int] = field(default_factory=dict)
    """Every event of :data:`rtl.counters.COUNTERS`, by name."""
    energy_pj: EnergyPj | None = None
    """None where the energy was not estimated."""
    bandwidth: LayerBandwidth | None = None
    """None where the traffic was not looked at."""
    coded_weights: CodedWeights | None = None
    """What Huffman-coded weights would take to load; None of a dense layer, or without a decoder to say so of."""
    weight_format: WeightFormat | None = None
    """None where the model does not tell; its weights are int8 then."""

    def to_json(self) -> Json:
        """Keys as the fields."""
        return {
            **asdict(self),
            "energy_pj": self.energy_pj.to_json() if self.energy_pj else None,
            "weight_format": self.weight_format.to_json() if self.weight_format else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStepEstimate:
    """An operator that the host runs, and what it moves. Its time is not estimated."""

    name: str
    op: str
    reason: str
    """Why the accelerator does not."""
    read_bytes: int
    """Of tensors (int8 as bytes, floats as four) and of its own constants."""
    write_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a network costs, layer by layer."""

    model: str
    arch: str
    clock_mhz: float
    macs_per_cycle: int
    """Of all engines, at their peak."""
    fidelity: str
    cycles: int
    """From start to the interrupt."""
    layers: tuple[LayerEstimate, ...]
    host_operators: tuple[str, ...] = ()
    """Operators that the accelerator lacks; they run on the host and cost no cycles here."""
    host_steps: tuple[HostStepEstimate, ...] = ()
    """The same operators with their traffic, which is not in the layers' DRAM bytes."""
    notes: tuple[str, ...] = ()
    """What the user should know about how the network was made, such as made-up scales."""
    technology: Technology | None = None
    """Of the layers' energies; None without any."""
    area_mm2: AreaMm2 | None = None
    """None where the technology has no areas."""
    dram_bytes_per_cycle: float | None = None
    """Most that the bus carries, each way; None where it was not looked at."""

    @property
    def time_us(self) -> float:
        """Microseconds from start to the interrupt."""
        return self.cycles / self.clock_mhz

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all layers."""
        return sum(layer.macs for layer in self.layers)

    @property
    def effective_macs(self) -> int:
        """Of all layers, where zeros are skipped without them."""
        return sum(layer.effective_macs for layer in self.layers)

    @property
    def utilization(self) -> float:
        """Effective MACs per cycle, over those that all engines could make; 0..1."""
        return self.effective_macs / (self.cycles * self.macs_per_cycle) if self.cycles else 0.0

    def totals(self) -> Json:
        """The sums over the layers, and what follows from them."""
        return {
            "cycles": self.cycles,
            "time_us": self.time_us,
            "macs": self.macs,
            "effective_macs": self.effective_macs,
            "dram_read_bytes": sum(layer.dram_read_bytes for layer in self.layers),
            "dram_write_bytes": sum(layer.dram_write_bytes for layer in self.layers),
            "utilization": self.utilization,
            **self._energy_totals(),
        }

    @property
    def energy_pj(self) -> EnergyPj | None:
        """The layers' sum; None where one was not estimated."""
        parts = [layer.energy_pj for layer in self.layers if layer.energy_pj is not None]
        if not parts or len(parts) < len(self.layers):
            return None
        return EnergyPj(**{spec.name: sum(getattr(part, spec.name) for part in parts) for spec in fields(EnergyPj)})

    def _energy_totals(self) -> Json:
        energy = self.energy_pj
        total = energy.total if energy is not None else None
        joules = total is not None and (self.technology is None or self.technology.energy_unit == "pJ")
        return {
            "energy_pj": total,
            "energy_by_component_pj": energy.to_json() if energy is not None else None,
            # 1 pJ/us is 1 uW; 2 operations a MAC, and 1 operation a pJ is 1 TOPS/W.
            "average_power_mw": total / self.time_us / 1e3 if total and joules and self.cycles else None,
            "tops_per_watt": 2 * self.macs / total if total and joules else None,
            "energy_delay_pj_us": total * self.time_us if total is not None else None,
        }

    def to_json(self) -> Json:
        """What ``hwsim estimate --json`` writes."""
        return {
            "model": self.model,
            "arch": self.arch,
            "clock_mhz": self.clock_mhz,
            "fidelity": self.fidelity,
            "totals": self.totals(),
            "host_operators": list(self.host_operators),
            "host_steps": [asdict(step) for step in self.host_steps],
            "notes": list(self.notes),
            "technology": asdict(self.technology) if self.technology else None,
            "area_mm2": self.area_mm2.to_json() if self.area_mm2 else None,
            "layers": [layer.to_json() for layer in self.layers],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRun:
    """One layer in RTL, beside what the model says of it."""

    estimate: LayerEstimate
    rtl_cycles: int
    model_cycles: int
    mismatched_bytes: int
    """Bytes of the layer's result that differ from the reference interpreter's."""
    compared_bytes: int
    """How many bytes that is out of; 0 for a layer that was not looked at."""
    counters: dict[str, int]
    """Counted by the hardware."""
    counter_differences: dict[str, int]
    """Hardware less model, where not zero."""

    @property
    def agrees(self) -> bool:
        """To the byte, to the cycle and in every counter."""
        return self.rtl_cycles == self.model_cycles and not self.mismatched_bytes and not self.counter_differences

    def to_json(self) -> Json:
        """What :class:`LayerEstimate` has, and the fields here."""
        return {
            **self.estimate.to_json(),
            "rtl_cycles": self.rtl_cycles,
            "model_cycles": self.model_cycles,
            "mismatched_bytes": self.mismatched_bytes,
            "compared_bytes": self.compared_bytes,
            "counters": self.counters,
            "counter_differences": self.counter_differences,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """A network in RTL, beside what the models say of it."""

    estimate: Estimate
    rtl_cycles: int
    model_cycles: int
    mismatched_bytes: int
    """Bytes that differ from the reference interpreter's: of every layer's result, and of the network's outputs."""
    compared_bytes: int
    """How many bytes that is out of."""
    observed_agrees: bool
    """The run whose layers' results were stored to be compared took the cycles and events of its own model."""
    layers: tuple[LayerRun, ...]
    simulator: str
    memory: str
    seed: int
    wall_s: float
    """The simulator, from start to interrupt."""
    build_s: float
    """Compiling it; 0 when it was in the cache."""

    @property
    def agrees(self) -> bool:
        """To the byte, to the cycle and in every counter. Cycles count only with the deterministic memory."""
        if self.memory != "dram":
            return self.mismatched_bytes == 0
        return (
            self.rtl_cycles == self.model_cycles
            and self.observed_agrees
            and not self.mismatched_bytes
            and all(layer.agrees for layer in self.layers)
        )

    def to_json(self) -> Json:
        """What ``hwsim simulate --json`` writes."""
        return {
            **self.estimate.to_json(),
            "rtl_cycles": self.rtl_cycles,
            "model_cycles": self.model_cycles,
            "mismatched_bytes": self.mismatched_bytes,
            "compared_bytes": self.compared_bytes,
            "agrees": self.agrees,
            "simulator": self.simulator,
            "memory": self.memory,
            "seed": self.seed,
            "wall_s": self.wall_s,
            "build_s": self.build_s,
            "layers": [layer.to_json() for layer in self.layers],
        }
