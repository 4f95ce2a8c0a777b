"""The hardware: configuration, instruction set, event counters, Amaranth components, Verilog emission."""
