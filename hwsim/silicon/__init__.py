"""From the Verilog to figures of silicon: area, frequency, and energies per event. See ``docs/silicon.md``.

``library`` and ``netlist`` read what foundries and tools write; ``synthesis`` makes cells, areas and longest paths of
Verilog; ``switching`` counts and prices what changes in a netlist; ``characterisation`` puts them together to a table.
``tools`` finds the programs, ``cache`` keeps what they made.
"""
