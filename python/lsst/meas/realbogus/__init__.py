"""Fake supernovae, stamps and real/bogus scores for difference-image sources."""
