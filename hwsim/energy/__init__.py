"""Energy, leakage and area from counted events and published figures. See ``docs/energy.md``."""
