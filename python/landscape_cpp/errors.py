"""What can go wrong that is not wrong input: mathematics that does not converge.

Wrong input raises ``ValueError`` or ``TypeError`` before any work. A method that runs out of its budget returns what it
has with a :class:`ConvergenceWarning`, or raises :class:`ConvergenceError` where ``raise_on_failure=True``.
"""

from __future__ import annotations

__all__ = ["ConvergenceError", "ConvergenceWarning"]


class ConvergenceWarning(UserWarning):
    """An iteration stopped before it reached its tolerance; the result carries the residual it did reach."""


class ConvergenceError(RuntimeError):
    """An iteration stopped before it reached its tolerance and ``raise_on_failure=True`` was asked for.

    Attributes:
        result: The partial result, of the type the call would have returned.
    """

    def __init__(self, message: str, result: object) -> None:
        """Keep the partial result with the message."""
        super().__init__(message)
        self.result = result
