"""Data without a telescope: instrument, simulator, FITS ingest, repository."""
