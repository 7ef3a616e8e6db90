"""The notifier's settings, read from environment variables."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.utils import parseaddr

from chassis.settings import EnvironmentReader, Secret, ServiceSettings, Stage, read_environment
from chassis.text import is_one_line
from notifier.attempts import SendingPolicy
from notifier.dkim import DkimSigner
from notifier.domain import RetryPolicy
from notifier.mailer import Security, SmtpServer

_SECRET = 32
"""The minimum length of a secret, in characters."""

_PORTS = {Security.TLS: 465, Security.STARTTLS: 587, Security.NONE: 25}


@dataclass(frozen=True, slots=True)
class Settings(ServiceSettings):
    unsubscribe_secrets: Sequence[Secret]
    """The current secret, which signs, and earlier ones, whose links and digests stay valid."""
    account_mail_secret: Secret
    """With it the notifier fetches the content of mails about accounts from auth."""
    public_url: str
    tweet_url: str
    window: timedelta
    claim_after: timedelta
    sending: SendingPolicy
    smtp: SmtpServer
    sender: Address
    signer: DkimSigner | None

    @classmethod
    def from_env(cls, variables: Mapping[str, str] | None = None) -> "Settings":
        """Read `variables`, by default those of the process. Raises SettingsError."""
        with read_environment(variables) as read:
            common = cls.common(read, "notifier")
            stage = common["stage"]
            public_url = read.text("PUBLIC_URL").rstrip("/")
            if not public_url.startswith("https://") and stage is not Stage.DEVELOPMENT:
                read.problems.append("PUBLIC_URL must begin with https:// outside development")
            smtp = _smtp(read, stage)
            return cls(
                **common,
                unsubscribe_secrets=_unsubscribe_secrets(read),
                account_mail_secret=read.secret("ACCOUNT_MAIL_SECRET", at_least=_SECRET),
                public_url=public_url,
                tweet_url=_tweet_url(read, public_url),
                window=_seconds(read, "NOTIFIER_WINDOW_SECONDS", 600),
                claim_after=_seconds(read, "NOTIFIER_CLAIM_AFTER_SECONDS", 10),
                sending=_sending(read, smtp),
                smtp=smtp,
                sender=_sender(read),
                signer=_signer(read),
            )


def _seconds(read: EnvironmentReader, name: str, default: int) -> timedelta:
    return timedelta(seconds=read.integer(name, default, at_least=1))


def _unsubscribe_secrets(read: EnvironmentReader) -> Sequence[Secret]:
    listed = read.text("NOTIFIER_UNSUBSCRIBE_PREVIOUS_SECRETS", "")
    previous = [Secret(secret.strip()) for secret in listed.split(",") if secret.strip()]
    if any(len(secret) < _SECRET for secret in previous):
        read.problems.append(
            f"NOTIFIER_UNSUBSCRIBE_PREVIOUS_SECRETS has a secret shorter than {_SECRET} characters"
        )
    return [read.secret("NOTIFIER_UNSUBSCRIBE_SECRET", at_least=_SECRET), *previous]


def _tweet_url(read: EnvironmentReader, public_url: str) -> str:
    url = read.text("NOTIFIER_TWEET_URL", f"{public_url}/tweets/{{id}}")
    if "{id}" not in url:
        read.problems.append("NOTIFIER_TWEET_URL must contain {id}")
    return url


def _sending(read: EnvironmentReader, smtp: SmtpServer) -> SendingPolicy:
    return SendingPolicy(
        retry=RetryPolicy(
            attempts=read.integer("NOTIFIER_RETRY_ATTEMPTS", 16, at_least=1),
            base=_seconds(read, "NOTIFIER_RETRY_BASE_SECONDS", 30),
            cap=_seconds(read, "NOTIFIER_RETRY_CAP_SECONDS", 3600),
        ),
        connections=smtp.connections,
        attempt=_seconds(read, "MAIL_ATTEMPT_SECONDS", 60),
        poll=_seconds(read, "NOTIFIER_POLL_SECONDS", 5),
    )


def _smtp(read: EnvironmentReader, stage: Stage) -> SmtpServer:
    text = read.text("MAIL_SECURITY", Security.STARTTLS)
    if text not in set(Security):
        read.problems.append(f"MAIL_SECURITY must be one of {', '.join(Security)}")
        text = Security.STARTTLS
    security = Security(text)
    if security is Security.NONE and stage is not Stage.DEVELOPMENT:
        read.problems.append("MAIL_SECURITY must not be none outside development")
    return SmtpServer(
        host=read.text("MAIL_HOST"),
        port=read.integer("MAIL_PORT", _PORTS[security], at_least=1),
        security=security,
        username=read.text("MAIL_USERNAME", ""),
        password=read.text("MAIL_PASSWORD", ""),
        timeout=read.integer("MAIL_TIMEOUT_SECONDS", 20, at_least=1),
        connections=read.integer("MAIL_CONNECTIONS", 4, at_least=1),
        idle=read.integer("MAIL_IDLE_SECONDS", 20, at_least=1),
    )


def _sender(read: EnvironmentReader) -> Address:
    """Return the sender of all mails: `Chirp <notifications@example.com>`."""
    text = read.text("MAIL_FROM")
    name, address = parseaddr(text)
    if is_one_line(text) and "@" in address:
        with suppress(ValueError, HeaderParseError):
            return Address(name or "Chirp", addr_spec=address)
    if text:
        read.problems.append("MAIL_FROM is not a mail address")
    return Address("Chirp", "nobody", "invalid")


def _signer(read: EnvironmentReader) -> DkimSigner | None:
    """Return the signer, or None without a selector: mails are not signed then."""
    selector = read.text("MAIL_DKIM_SELECTOR", "")
    if not selector:
        return None
    domain, key = read.text("MAIL_DKIM_DOMAIN"), read.secret("MAIL_DKIM_KEY")
    try:
        # Some environments cannot hold line breaks, so a PEM file may have \n for them.
        return DkimSigner(domain, selector, Secret(key.replace("\\n", "\n")))
    except ValueError as error:
        if key:
            read.problems.append(f"MAIL_DKIM_KEY cannot sign: {error}")
        return None
