"""A drop-in executor for Strawberry that compiles what operations select.

schema = strawberry.Schema(Query, execution_context_class=CompilingExecutionContext)
"""

from .versions import require_supported

require_supported()

from .context import CompilingExecutionContext  # noqa: E402  (fails on unsupported versions)
from .explanation import Explanation, FieldExplanation, explain  # noqa: E402

__all__ = ["CompilingExecutionContext", "Explanation", "FieldExplanation", "explain"]
