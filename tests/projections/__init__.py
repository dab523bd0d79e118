"""Tests of the sums over postings and of the formulas over sums."""
