"""What a stop of ``landscape tour`` consists of."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from ._pictures import Picture

__all__ = ["Stop", "stop"]


@dataclass(frozen=True)
class Stop:
    """One stop of the tour.

    Attributes:
        title: Its heading.
        text: Paragraphs.
        table: Rows of cells, the first of them headings; may be empty.
        pictures: What there is to see.
        code: Lines to try; may be empty.
    """

    title: str
    text: tuple[str, ...]
    table: tuple[tuple[str, ...], ...] = ()
    pictures: tuple[Picture, ...] = ()
    code: str = ""


def stop(
    title: str,
    text: str,
    table: tuple[tuple[str, ...], ...] = (),
    pictures: tuple[Picture, ...] = (),
    code: str = "",
) -> Stop:
    """A stop from an indented text whose paragraphs are separated by blank lines."""
    paragraphs = tuple(" ".join(part.split()) for part in textwrap.dedent(text).strip().split("\n\n"))
    return Stop(title, paragraphs, table, pictures, textwrap.dedent(code).strip())
