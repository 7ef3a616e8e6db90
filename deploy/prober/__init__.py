"""Uses the system through its front door for ever, as two people would, and measures it."""
