"""Smaller networks: pruning, quantisation, weight sharing and low rank, on the float graph before it is lowered."""
