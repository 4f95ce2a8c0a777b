"""From integer operators to instructions: jobs for the array, tiles, scratchpad allocation, code."""
