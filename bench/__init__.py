"""The benchmarks: one script for each claim about speed or size."""
