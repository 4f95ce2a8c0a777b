"""Post-processing instructions retire in order, each once, however many are on their way through the lanes."""

import pytest

from rtl.config import ArchConfig, DenseConfig, MemoryConfig
from rtl.isa import Post, encode
from rtl.post.engine import PostEngine
from rtl.post.timing import LANE_LATENCY, POST_DECODE, POST_TAIL
from tests.rtl.bench import put, simulate


@pytest.mark.parametrize("cols", [2, 47, 64])
def test_pixels_behind_one_another_retire_in_order(cols):
    """With many columns a POST of one pixel takes far longer than its successor waits for its turn."""
    config = ArchConfig(
        dense=DenseConfig(rows=2, cols=cols, depthwise_taps=0),
        memory=MemoryConfig(ifm_kib=1, ofm_kib=1, weight_kib=1, param_kib=1, accumulators=16),
    )
    dut = PostEngine(config)
    pixel = {"out_w": 1, "out_h": 1, "filters": 1, "acc": 0, "ofm": 0, "params": 0, "load_params": 0, "skip": 0}
    strides = dict.fromkeys(("x_stride", "y_stride", "skip_x_stride", "skip_y_stride", "residual", "skip_source"), 0)
    layers = list(range(16))
    retired: list[int] = []

    async def program(ctx):
        await put(ctx, dut.engine.instr, [encode(Post(layer=layer, **pixel, **strides)) for layer in layers])

    async def watch(ctx):
        for _ in range(len(layers) * (POST_DECODE + 1 + POST_TAIL) + LANE_LATENCY + cols + 5):
            _, _, valid, layer = await ctx.tick().sample(dut.engine.retire.valid, dut.engine.retire.layer)
            if valid:
                retired.append(layer)

    simulate(dut, program, watch)
    assert retired == layers
