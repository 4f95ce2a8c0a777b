"""Measurements that README and the handbook quote: ``make bench``."""
