"""What the auth service measures of its own: the answers that it gives the edge."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter

from chassis.principal import Principal
from subgraphs.auth.authorize import Answer


def count_answers(registry: CollectorRegistry) -> Callable[[Answer], None]:
    """Gives what the authorizer tells each of its answers."""
    answers = Counter(
        "chirp_authorizations_total",
        "What the edge was told about requests.",
        ("answer",),
        registry=registry,
    )
    count = {answer: answers.labels(answer).inc for answer in Answer}
    return lambda answer: count[answer]()


def count_verifications(
    registry: CollectorRegistry, verify: Callable[[str], Principal]
) -> Callable[[str], Principal]:
    """`verify`, counted: it is called for tokens that are not remembered."""
    verifications = Counter(
        "chirp_token_verifications_total",
        "Tokens that were seen for the first time, and checked in full.",
        registry=registry,
    )

    def counted(token: str) -> Principal:
        verifications.inc()
        return verify(token)

    return counted
