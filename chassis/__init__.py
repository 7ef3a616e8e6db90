"""What every Chirp service shares: it names no business concept and imports no service."""
