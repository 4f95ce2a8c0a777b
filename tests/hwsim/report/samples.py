"""Results made by hand: what reports are made from, without a model behind it."""

from __future__ import annotations

from hwsim.results import EnergyPj, Estimate, LayerEstimate, LayerRun, Simulation, Technology

HOSTILE = (
    "<script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "'; alert(1) //",
    "</style></svg></title><h6>owned</h6>",
    "=cmd|' /C calc'!A0",
    "[bold red]not markup[/]",
    "a\x00b\x1b[31mc\u202e\ud800",
    "&lt;amp&amp;",
)


def estimate(*names: str, energy: bool = True) -> Estimate:
    layers = tuple(_layer(index, name, energy) for index, name in enumerate(names or ("conv1", "pool", "classifier")))
    return Estimate(
        model="net",
        arch="dense-8x8",
        clock_mhz=500.0,
        macs_per_cycle=64,
        fidelity="cycle",
        cycles=sum(layer.cycles for layer in layers),
        layers=layers,
        host_operators=("softmax (Softmax)",),
        technology=Technology(table="horowitz-45nm", dram="ddr4", voltage_v=0.9, energy_unit="pJ") if energy else None,
        dram_bytes_per_cycle=8.0,
    )


def _layer(index: int, name: str, energy: bool) -> LayerEstimate:
    macs = (6400, 0, 100)[index % 3]
    cycles = (110, 50, 30)[index % 3]
    return LayerEstimate(
        name=name,
        op=("conv", "maxpool", "dense")[index % 3],
        engine="dense",
        macs=macs,
        effective_macs=macs,
        cycles=cycles,
        dram_read_bytes=(300, 0, 200)[index % 3],
        dram_write_bytes=(0, 0, 10)[index % 3],
        utilization=macs / (cycles * 64),
        bound=("compute", "post", "fill_drain")[index % 3],
        counters={"macs": macs},
        energy_pj=EnergyPj(mac=10.0, register=20.0, sram=30.0, dram=40.0, leakage=5.0) if energy else None,
    )


def simulation(given: Estimate, *, wrong_bytes: int = 0) -> Simulation:
    layers = tuple(
        LayerRun(
            estimate=layer,
            rtl_cycles=layer.cycles,
            model_cycles=layer.cycles,
            mismatched_bytes=wrong_bytes if index == 0 else 0,
            compared_bytes=100,
            counters=layer.counters,
            counter_differences={},
        )
        for index, layer in enumerate(given.layers)
    )
    return Simulation(
        estimate=given,
        rtl_cycles=given.cycles,
        model_cycles=given.cycles,
        mismatched_bytes=wrong_bytes,
        compared_bytes=100 * len(layers),
        observed_agrees=True,
        layers=layers,
        simulator="verilator",
        memory="dram",
        seed=0,
        wall_s=1.0,
        build_s=0.0,
    )
