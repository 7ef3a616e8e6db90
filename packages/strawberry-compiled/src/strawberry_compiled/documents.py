"""Finds the document that was parsed before from the same text.

Plans hang on a document's nodes. Without a cache of parsed documents in front of the executor each
request brings new nodes; with this one the executor goes on with those that it knows.
"""

from collections import OrderedDict
from threading import Lock

from graphql import DocumentNode

DOCUMENTS = 128
"""As many as Strawberry's `ParserCache` holds."""
MAX_TEXT = 10_000
"""Characters of a document that is kept: parsed it takes some hundred times as much."""
MAX_TEXTS = 250_000
"""Characters of all that are kept, the latest used ones."""


class Documents:
    """Documents by their text, a bounded number of them."""

    def __init__(self) -> None:
        self._documents: OrderedDict[str, DocumentNode] = OrderedDict()
        self._characters = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._documents)

    def known(self, document: DocumentNode) -> DocumentNode:
        """Return the document to use in place of this one: an equal one, or this one itself.

        Texts only find a candidate. It must be equal node by node, positions included: an extension
        may have changed what was parsed from the text.
        """
        if document.loc is None:
            return document
        text = document.loc.source.body
        if len(text) > MAX_TEXT:
            return document
        with self._lock:
            found = self._documents.get(text)
            if found is None:
                self._add(text, document)
            else:
                self._documents.move_to_end(text)
        return found if found is not None and _equal(found, document) else document

    def _add(self, text: str, document: DocumentNode) -> None:
        self._documents[text] = document
        self._characters += len(text)
        while len(self._documents) > DOCUMENTS or self._characters > MAX_TEXTS:
            removed, _ = self._documents.popitem(last=False)
            self._characters -= len(removed)


def _equal(one: DocumentNode, other: DocumentNode) -> bool:
    assert one.loc is not None  # noqa: S101  (only documents with a position are kept)
    assert other.loc is not None  # noqa: S101
    first, second = one.loc.source, other.loc.source
    try:
        return (
            first.name == second.name
            and first.location_offset == second.location_offset
            and one == other
        )
    except RecursionError:
        return False
