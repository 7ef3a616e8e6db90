"""What can go wrong with an event or a mail."""


class InvalidEvent(Exception):  # noqa: N818
    """The data of an event is not what its type promises; the message names the field."""


class MailRefused(Exception):  # noqa: N818
    """The server will never take this mail: trying again is no use."""


class MailDeferred(Exception):  # noqa: N818
    """This mail was not taken now, or nobody knows whether it was; later it may be."""


class MailServerUnavailable(Exception):  # noqa: N818
    """No mail can be handed over at the moment, whoever it is for.

    The server cannot be reached, or accepts neither us nor our sender address: no fault of the
    mail that happened to be next.
    """


class InvalidUnsubscribeToken(Exception):  # noqa: N818
    """The token was not signed by us, or not for this."""


class DeadLetterNotFound(Exception):  # noqa: N818
    """There is no dead letter with this id (any more)."""
