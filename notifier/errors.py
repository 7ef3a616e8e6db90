"""The failures of a mail, and of a link to unsubscribe."""


class MailNotWanted(Exception):
    """The mail must not be sent any more; the message says why and names no person."""


class MailMustWait(Exception):
    """The mail cannot be sent before its recipient's address is verified; the message says why."""


class ContentUnavailable(Exception):
    """Auth does not give the content of mails about accounts at the moment.

    The mail that met this is not at fault.
    """


class ContentFailed(Exception):
    """Auth fails at the content of this mail, and not necessarily at others.

    A retry may succeed.
    """


class UnknownContent(Exception):
    """Auth, in a newer release, gave content that this release cannot send."""


class AddressRefused(Exception):
    """The recipient's address is refused for good, by the server or because it cannot be encoded.

    No mail to the address can be delivered. The message has no address.
    """


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
