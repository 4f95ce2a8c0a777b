"""The zero-skipping engine, after EIE (Han et al., ISCA 2016)."""
