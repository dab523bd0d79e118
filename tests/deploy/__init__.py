"""The files of deploy/: they fit each other, the code and the settings."""
