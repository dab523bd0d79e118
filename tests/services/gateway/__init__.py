"""The HTTP service, asked over a real socket."""
