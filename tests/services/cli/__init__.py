"""The tests of the command line: they mirror `services/cli`."""
