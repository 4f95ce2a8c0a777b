"""Which points of a space are evaluated: all of them, or those that a sampler proposes."""
