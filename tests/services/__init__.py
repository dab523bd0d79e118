"""The tests of the processes: they mirror `services`."""
