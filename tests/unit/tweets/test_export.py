"""The export of tweets on the fake repositories."""

from tests.unit.tweets import export_suite


class TestUserRecords(export_suite.UserRecords):
    pass
