"""From Verilog to cells of a library or of an FPGA: scripts, areas, longest paths."""
