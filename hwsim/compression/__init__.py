"""Compression as a user meets it: a model, a recipe and data in, an ONNX file and a report out."""
