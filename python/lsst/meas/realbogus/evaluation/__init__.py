"""Metrics, curves and explanations."""
