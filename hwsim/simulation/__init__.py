"""RTL simulation: the generated Verilog and a memory, compiled by Verilator or Icarus and driven by cocotb."""
