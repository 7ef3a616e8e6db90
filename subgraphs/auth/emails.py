"""The form in which e-mail addresses are stored and compared."""

from email_validator import EmailNotValidError, validate_email


def normalize_email(address: str) -> str:
    """Unicode-normalised, the domain in lower case. Raises ValueError with a reason.

    Asks no name server: whether mail arrives is for a mail to find out.
    """
    try:
        return validate_email(address, check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise ValueError(str(error)) from error
