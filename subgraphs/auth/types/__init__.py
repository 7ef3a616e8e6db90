"""The GraphQL types of the auth service."""
