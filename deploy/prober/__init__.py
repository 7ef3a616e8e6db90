"""The prober: uses the system from outside, as two users do, and reports what works."""
