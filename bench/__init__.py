"""Measurements of what the worker costs: `python -m bench`."""
