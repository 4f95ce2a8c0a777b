"""Random pruned networks and accelerators with a sparse engine, alone or beside an array; weighted to corners."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import numpy as np

from rtl.config import ArchConfig, BusConfig, ControlConfig, MemoryConfig, SparseConfig
from tests.system.random_archs import random_arch, random_dram
from tests.system.random_layers import Builder, Case

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.ir import QuantParams, Requantize

__all__ = ["random_sparse_arch", "random_sparse_case"]

_DENSITIES = (0.0, 0.02, 0.1, 0.1, 0.3, 0.3, 0.7, 1.0)


def random_sparse_case(seed: int, *, most_macs: int = 60_000) -> Case:
    """The network of ``seed``: weights pruned and mostly shared, zeros among the activations."""
    return _SparseBuilder(seed, most_macs).case()


class _SparseBuilder(Builder):
    def __init__(self, seed: int, most_macs: int) -> None:
        super().__init__(seed, most_macs)
        self.zero = self.rng.choice([0, -128, -128, 127, 3])

    def _zero_point(self) -> int:
        return self.zero if self.rng.random() < 0.9 else super()._zero_point()

    def _input(self, shape: tuple[int, int, int], quant: QuantParams | None = None) -> str:
        name = super()._input(shape, quant)
        kept = self.data.random(shape) < self.rng.choice(_DENSITIES)
        self.inputs[name] = np.where(kept, self.inputs[name], np.int8(self.zero))
        return name

    def _requantize(self, channels: int, spread: float) -> Requantize:
        rule = super()._requantize(channels, spread * 0.2)
        if self.rng.random() < 0.3:
            return rule
        from compiler.ir import Requantize

        return Requantize(rule.scale, rule.zero_point, rule.zero_point, 127)

    def _weights(self, shape: tuple[int, ...]) -> NDArray[np.int16]:
        rng, data = self.rng, self.data
        values = data.integers(-255, 255, rng.choice([1, 2, 3, 3, 15, 40]), endpoint=True)
        if rng.random() < 0.3:
            values = data.integers(-128, 127, 200, endpoint=True)
        weights = data.choice(values, shape) * (data.random(shape) < rng.choice(_DENSITIES))
        if rng.random() < 0.3:  # rows that differ widely
            weights = weights * (data.random(shape[-1]) < 0.5)
        return weights.astype(np.int16)


def random_sparse_arch(seed: int, *, hybrid: bool | None = None, sparse: SparseConfig | None = None) -> ArchConfig:
    """The accelerator of ``seed``, with an array as well or without one unless that is said."""
    rng = Random(seed)
    base = random_arch(seed)
    hybrid = rng.random() < 0.4 if hybrid is None else hybrid
    memory = base.memory.model_copy(update={"ifm_kib": rng.choice([2, 8, 64]), "ofm_kib": rng.choice([2, 8, 64])})
    return ArchConfig(
        name=f"{base.name}-eie" if hybrid else f"eie{seed}",
        dense=base.dense if hybrid else None,
        sparse=sparse or random_engine(rng),
        memory=MemoryConfig(**memory.model_dump()),
        bus=BusConfig(**base.bus.model_dump()),
        dram=random_dram(rng),
        control=ControlConfig(**base.control.model_dump()),
    )


def random_engine(rng: Random) -> SparseConfig:
    """Small memories, so that weights have to pass through them."""
    weights = rng.choice(["codebook", "codebook", "int8"])
    code, index = rng.choice([2, 4, 4, 5, 8]), rng.choice([2, 3, 4, 4, 8])
    code = 8 if weights == "int8" else code
    pes = rng.choice([1, 2, 4, 8, 16])
    return SparseConfig(
        pes=pes,
        fifo_depth=rng.choice([1, 2, 3, 8, 16]),
        weights=weights,
        code_bits=code,
        index_bits=index,
        row_bytes=rng.choice([b for b in (1, 2, 4, 8, 16) if 8 * b >= code + index]),
        spmat_kib=rng.choice([1, 1, 4]),
        pointers=rng.choice([16, 32, 64, 512]),
        accumulators=rng.choice([4, 16, 64, 256]),
        tables=rng.choice([1, 2, 4]),
        lanes=rng.choice([n for n in (1, 2, 4, 8) if n <= pes]),
    )
