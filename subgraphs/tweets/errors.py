"""The expected failures of the use cases, each shown to clients as a member of a result union."""


class InvalidTweet(Exception):
    """The text or the idempotency key breaks a rule, which the message names."""


class IdempotencyKeyReused(Exception):
    """The author has used this key for a tweet with a different text."""


class TweetNotFound(Exception):
    """No tweet has this id, or it was deleted."""


class NotTweetAuthor(Exception):
    """Another user wrote the tweet."""
