"""Measurements that README and the handbook quote: ``make bench`` runs them and writes ``docs/validation.md``."""
