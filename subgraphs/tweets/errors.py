"""What can go wrong in ways that a client is told about."""


class InvalidTweet(Exception):  # noqa: N818
    """The text or the idempotency key is not one that a tweet can have; the message says why."""


class IdempotencyKeyReused(Exception):  # noqa: N818
    """The author has used this key for a tweet with another text."""


class TweetNotFound(Exception):  # noqa: N818
    """There is no such tweet (any more)."""


class NotTweetAuthor(Exception):  # noqa: N818
    """The tweet is somebody else's."""
