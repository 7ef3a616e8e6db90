"""Measurements that anybody can repeat: each starts the servers that it needs."""
