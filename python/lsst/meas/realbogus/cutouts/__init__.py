"""Stamps: extraction, missing pixels, the stamp table."""
