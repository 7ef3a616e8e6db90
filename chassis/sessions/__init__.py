"""Tokens and sessions as a service sees them: who a token stands for, which sessions ended."""
