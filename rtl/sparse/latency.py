"""Latencies of the zero-skipping engine, for gateware and timing."""

from __future__ import annotations

__all__ = ["CHUNK_LATENCY", "CHUNK_QUEUE", "MAC_LATENCY", "SPARSE_DECODE"]

SPARSE_DECODE = 2
"""Cycles from the issue of a SPARSE to its first read of a scratchpad."""
CHUNK_LATENCY = 3
"""Cycles from the read of a chunk until its first non-zero is found, or its place is free again."""
CHUNK_QUEUE = 4
"""Chunks read and not yet scanned: as many as keep one chunk a cycle going."""
MAC_LATENCY = 3
"""Cycles from the issue of an entry to the write of the sum."""
