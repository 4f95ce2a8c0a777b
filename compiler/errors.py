"""What the user of the compiler can do wrong, and how it is said."""

from __future__ import annotations

__all__ = ["ModelError"]


class ModelError(ValueError):
    """A model that cannot be compiled. One line: the file, the node, what is wrong with it and what to change."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))
