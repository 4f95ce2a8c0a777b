"""What switches in a netlist on real operands, and what that costs."""
