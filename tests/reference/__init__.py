"""Slow, plain NumPy definitions written from the formulas of THEORY.md; they never import the package under test."""
