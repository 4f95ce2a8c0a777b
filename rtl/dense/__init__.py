"""The dense engine: systolic array, accumulators, and the output stage that requantises them."""
