"""Formats of weights, one per file, registered by name in :data:`compiler.compress.quantisers.base.QUANTISERS`."""
