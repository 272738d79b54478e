"""Data sets and training of classifiers."""
