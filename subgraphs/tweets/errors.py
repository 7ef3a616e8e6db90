"""The expected failures of the use cases, each shown to clients as a member of a result union."""


class InvalidTweet(Exception):  # noqa: N818
    """The text or the idempotency key breaks a rule, which the message names."""


class IdempotencyKeyReused(Exception):  # noqa: N818
    """The author has used this key for a tweet with a different text."""


class TweetNotFound(Exception):  # noqa: N818
    """No tweet has this id, or it was deleted."""


class NotTweetAuthor(Exception):  # noqa: N818
    """Another user wrote the tweet."""
