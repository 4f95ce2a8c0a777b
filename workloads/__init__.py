"""Networks to run, by name: trained on real bundled data, built from their papers, or the caller's own ONNX file.

:func:`resolve` turns what a user typed into a :class:`Workload`. Published tables are in :mod:`workloads.reference`.
"""

from __future__ import annotations

from workloads.registry import LabelledSet, Workload, WorkloadError, names, resolve

__all__ = ["LabelledSet", "Workload", "WorkloadError", "names", "resolve"]
