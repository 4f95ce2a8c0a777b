"""Rewrites of a graph, one per file: ``Graph -> bool`` in place, each preserving what the graph computes."""

from __future__ import annotations

from compiler.passes.base import Pass, PassError, Trace, run_passes

__all__ = ["Pass", "PassError", "Trace", "run_passes"]
