"""What a classifier is: contract, normalisation, package, engines, architectures."""
