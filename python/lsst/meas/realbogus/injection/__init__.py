"""Fakes: hosts, populations, catalogues and ids, and their light put into pixels."""
