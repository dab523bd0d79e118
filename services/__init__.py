"""The processes: everything that touches the world."""
