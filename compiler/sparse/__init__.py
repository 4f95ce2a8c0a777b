"""Weights for the zero-skipping engine: shared, balanced over its elements, compressed; and what that costs."""
