"""The weight-stationary dataflow: weights stay in the PEs while all pixels of a tile stream past."""
