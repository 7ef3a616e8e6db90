"""What the auth service measures of its own: the answers that it gives the edge."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter

from subgraphs.auth.authorize import Answer


def count_answers(registry: CollectorRegistry) -> Callable[[Answer], None]:
    """Gives what the authorizer tells each of its answers."""
    answers = Counter(
        "chirp_authorizations_total",
        "What the edge was told about requests. `remembered` tokens cost next to nothing.",
        ("answer",),
        registry=registry,
    )
    count = {answer: answers.labels(answer).inc for answer in Answer}
    return lambda answer: count[answer]()
