"""The output-stationary dataflow: sums stay in the PEs while activations and weights stream past."""
