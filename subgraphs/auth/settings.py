"""The settings of the auth service, from environment variables."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from chassis.settings import EnvironmentReader, Secret, ServiceSettings, read_environment
from chassis.topology import declared
from subgraphs.auth.limits import Limits


def access_token_lifetime(read: EnvironmentReader) -> timedelta:
    return timedelta(seconds=read.integer("AUTH_ACCESS_TOKEN_SECONDS", 15 * 60, at_least=1))


def _path(name: str) -> Path | None:
    return Path(name) if name else None


@dataclass(frozen=True, slots=True)
class Settings(ServiceSettings):
    """The settings; README.md describes each variable."""

    grpc_host: str
    grpc_port: int
    signing_keys_file: Path
    breached_passwords_file: Path | None
    refresh_secret: Secret
    code_secret: Secret
    account_mail_secret: Secret
    issuer: str
    audience: str
    roles: Mapping[str, frozenset[str]]
    access_token_lifetime: timedelta
    session_lifetime: timedelta
    session_max_lifetime: timedelta
    reauthentication_max_age: timedelta
    refresh_retry_window: timedelta
    limits: Limits
    security_events_kept: timedelta
    new_device_mails: bool
    token_cache_size: int
    argon2_memory_kib: int
    argon2_passes: int
    password_workers: int
    password_backlog: int

    @classmethod
    def from_env(cls, variables: Mapping[str, str] | None = None) -> "Settings":
        """Read `variables`, by default the environment of the process. Raises SettingsError."""
        with read_environment(variables) as read:
            return cls(
                **cls.common(read, "auth"),
                grpc_host=read.text("AUTH_GRPC_HOST"),
                grpc_port=read.integer("AUTH_GRPC_PORT", at_least=1),
                breached_passwords_file=_path(read.text("AUTH_BREACHED_PASSWORDS_FILE", "")),
                signing_keys_file=Path(read.text("AUTH_SIGNING_KEYS_FILE")),
                refresh_secret=read.secret("AUTH_REFRESH_SECRET", at_least=32),
                code_secret=read.secret("AUTH_CODE_SECRET", at_least=32),
                account_mail_secret=read.secret("ACCOUNT_MAIL_SECRET", at_least=32),
                issuer=read.text("AUTH_ISSUER"),
                audience=read.text("AUTH_AUDIENCE", declared().project.name),
                roles=declared().roles,
                access_token_lifetime=access_token_lifetime(read),
                session_lifetime=timedelta(days=read.integer("AUTH_SESSION_DAYS", 30, at_least=1)),
                session_max_lifetime=timedelta(
                    days=read.integer("AUTH_SESSION_MAX_DAYS", 90, at_least=1)
                ),
                reauthentication_max_age=timedelta(
                    seconds=read.integer("AUTH_REAUTHENTICATION_SECONDS", 15 * 60, at_least=1)
                ),
                refresh_retry_window=timedelta(
                    seconds=read.integer("AUTH_REFRESH_RETRY_SECONDS", 30)
                ),
                limits=Limits(
                    mails_per_address=read.integer("AUTH_MAILS_PER_ADDRESS", 5, at_least=1),
                    mails_per_network=read.integer("AUTH_MAILS_PER_NETWORK", 60, at_least=1),
                    codes_per_network=read.integer("AUTH_CODES_PER_NETWORK", 60, at_least=1),
                    passwords_per_account=read.integer(
                        "AUTH_PASSWORDS_PER_ACCOUNT", 10, at_least=1
                    ),
                    sign_ins_per_network=read.integer("AUTH_SIGN_INS_PER_NETWORK", 100, at_least=1),
                    sign_ups_per_network=read.integer("AUTH_SIGN_UPS_PER_NETWORK", 150, at_least=1),
                    refreshes_per_network=read.integer(
                        "AUTH_REFRESHES_PER_NETWORK", 60, at_least=1
                    ),
                    look_ups_per_account=read.integer("AUTH_LOOK_UPS_PER_ACCOUNT", 600, at_least=1),
                ),
                security_events_kept=timedelta(
                    days=read.integer("AUTH_SECURITY_EVENT_DAYS", 90, at_least=1)
                ),
                new_device_mails=read.flag("AUTH_NEW_DEVICE_MAILS", default=True),
                token_cache_size=read.integer("AUTH_TOKEN_CACHE_SIZE", 50_000, at_least=1),
                argon2_memory_kib=read.integer("AUTH_ARGON2_MEMORY_KIB", 19 * 1024, at_least=8),
                argon2_passes=read.integer("AUTH_ARGON2_PASSES", 2, at_least=1),
                password_workers=read.integer(
                    "AUTH_PASSWORD_WORKERS", os.cpu_count() or 1, at_least=1
                ),
                password_backlog=read.integer("AUTH_PASSWORD_BACKLOG", 100),
            )
