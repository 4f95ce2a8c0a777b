"""Layers on the zero-skipping engine: who can run there, how they are cut, and the instructions that they become."""
