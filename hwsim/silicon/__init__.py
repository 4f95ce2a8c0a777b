"""From the Verilog to figures of silicon: area, frequency, and energies per event. See ``docs/silicon.md``."""
