"""Post-processing: sums in, requantised bytes out."""
