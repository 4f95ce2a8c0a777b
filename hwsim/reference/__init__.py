"""Reference pages of the hardware, from the sources: for the handbook, and for a hand-over."""
