"""The tests: they mirror the modules they cover."""
