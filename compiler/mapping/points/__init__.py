"""One network on very many architectures: mapped and priced as arrays over all of them, for sweeps."""
