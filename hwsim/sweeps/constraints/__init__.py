"""Conditions in a sweep's file: ``area_mm2 < 2``, parsed into a tree of few kinds, never evaluated as Python."""
