"""Lowering: from quantise and dequantise nodes around float operators to the accelerator's integer operators."""

from __future__ import annotations

from compiler.lower.lowering import lower

__all__ = ["lower"]
