"""The real processes killed without warning, again and again, until their work is done; then all is counted."""
