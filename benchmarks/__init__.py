"""Measurements. Each module has a `measure` function whose results `python -m benchmarks` saves and renders."""
