"""The only door to afw, the C++ stack's image and table library."""
