"""The metrics that only the auth service has."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from chassis.principal import Principal
from subgraphs.auth.authorize import Answer


def count_answers(registry: CollectorRegistry) -> Callable[[Answer], None]:
    """Return the callback that counts an answer to the edge."""
    answers = Counter(
        "chirp_authorizations_total",
        "Answers to the edge.",
        ("answer",),
        registry=registry,
    )
    increments = {answer: answers.labels(answer).inc for answer in Answer}
    return lambda answer: increments[answer]()


def count_verifications(
    registry: CollectorRegistry, verify: Callable[[str], Principal]
) -> Callable[[str], Principal]:
    """Return `verify` with a count of its calls, which are for tokens that are not remembered."""
    verifications = Counter(
        "chirp_token_verifications_total",
        "Tokens seen for the first time, and verified in full.",
        registry=registry,
    )

    def counted(token: str) -> Principal:
        verifications.inc()
        return verify(token)

    return counted


def count_refused_attempts(registry: CollectorRegistry) -> Callable[[str], None]:
    """Return the callback that counts an attempt that a budget of this kind refused."""
    refused = Counter(
        "chirp_attempts_refused_total",
        "Attempts that a budget refused, by its kind.",
        ("budget",),
        registry=registry,
    )
    return lambda kind: refused.labels(kind).inc()


def record_readable_keys(registry: CollectorRegistry) -> Callable[[bool], None]:
    """Return the callback that records whether the file with the signing keys can be read."""
    readable = Gauge(
        "chirp_signing_keys_readable",
        "1, or 0 while the file with the signing keys cannot be read and earlier ones are in use.",
        registry=registry,
    )
    return readable.set
