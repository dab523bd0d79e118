"""Rules of alerts: the file that says them, read, checked and told in words."""
