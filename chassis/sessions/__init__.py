"""What a service must know of sessions: whose token it is, and which sessions have ended."""
