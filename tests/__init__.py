"""Tests, mirroring the package; ``contracts.py`` holds the checks that every new part inherits."""
