"""The failures of a mail, and of a link to unsubscribe."""


class MailRefused(Exception):
    """The server refused the mail for good; a retry is useless."""


class MailDeferred(Exception):
    """The server did not accept the mail, or the connection broke before it answered.

    A retry may succeed.
    """


class MailServerUnavailable(Exception):
    """The server takes no mail at the moment, for any recipient.

    It cannot be reached, or refuses our credentials or our sender address. The mail that met this
    is not at fault.
    """


class InvalidUnsubscribeToken(Exception):
    """The token was not signed by this service, or not for this purpose."""
