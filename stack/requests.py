"""Shows the requests to the API, one line each, from the edge's access log."""

import json
import re

_API = re.compile(r"/graphql(/.*)?")
"""The log has `/graphql/stream` of a subscription, the path to which the edge sends it."""


def describe(line: str) -> str:
    """Return `createTweet ada 11 ms ok` for a line of the access log, or an empty string.

    The words are the root field or what the log has instead (`several`, `introspection`, nothing:
    then the method), the user, the time and the outcome: an error code, the type of an error as
    data, or the status of a response that says neither. A request to a page is not shown.
    """
    try:
        entry = json.loads(line)
    except ValueError:
        return ""
    if not isinstance(entry, dict) or not _API.fullmatch(entry.get("path") or ""):
        return ""
    status = entry.get("status")
    operation = entry.get("operation") or entry.get("method")
    outcome = entry.get("outcome") or ("ok" if status in {101, 200} else status)
    who = entry.get("username") or "-"
    return f"{operation} {who} {entry.get('duration_ms')} ms {outcome}"
