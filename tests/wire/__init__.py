"""The bytes of every released version, kept for ever."""
