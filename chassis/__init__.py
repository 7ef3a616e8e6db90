"""The code that all Chirp services share. It names no business concept and imports no service."""
