"""Sums over postings and formulas over sums: what every figure is computed from."""
