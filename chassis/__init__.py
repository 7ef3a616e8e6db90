"""Code that all services share. It names no business concept and imports no service."""
