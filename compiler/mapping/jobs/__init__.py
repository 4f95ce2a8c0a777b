"""The jobs of each integer operator: one file per kind of operator."""
