"""Tests of projections/columnar."""
