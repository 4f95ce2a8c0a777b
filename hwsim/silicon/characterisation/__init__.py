"""Energy tables from netlists: a column, a zero-skipping PE, the path of instructions."""
