"""What a point costs: its network, its architecture, and the figures that come out."""
