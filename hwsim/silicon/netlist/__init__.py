"""Netlists of cells: their parts, memories as macros, delays and static timing."""
