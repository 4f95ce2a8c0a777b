"""Cell and memory libraries: what a foundry says of them, read."""
