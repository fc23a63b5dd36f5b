"""Measurements: `make bench` runs the suite, `python -m benchmarks.NAME` prints one report."""
