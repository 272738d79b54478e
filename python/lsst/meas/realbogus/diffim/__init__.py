"""Embedded difference imaging: warp, assemble, subtract, detect, measure."""
