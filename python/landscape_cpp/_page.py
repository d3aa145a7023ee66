"""One self-contained HTML page from the stops of the tour: pictures and style are inside, nothing is fetched."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ._pictures import Picture

if TYPE_CHECKING:
    from ._tour import Stop

__all__ = ["page"]

_STYLE = """
:root { color-scheme: light; --ink: #1c2733; --soft: #5a6673; --line: #d9dfe5; --paper: #ffffff; --tint: #f4f7f9;
        --accent: #0b5f94; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 17px/1.6 system-ui, "Segoe UI", Roboto,
       "Helvetica Neue", Arial, "DejaVu Sans", sans-serif; }
main, header, footer { max-width: 50rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 3rem; }
h1 { font-size: 2.1rem; line-height: 1.2; margin: 0 0 .6rem; }
h2 { font-size: 1.35rem; line-height: 1.3; margin: 3rem 0 .6rem; padding-top: 1.6rem;
     border-top: 1px solid var(--line); }
h2 span { color: var(--accent); margin-right: .5rem; }
p { margin: .7rem 0; }
nav ol { margin: 1rem 0; padding-left: 1.4rem; columns: 2; column-gap: 2rem; }
a { color: var(--accent); }
figure { margin: 1.5rem 0; text-align: center; }
img { max-width: 100%; height: auto; }
figcaption { color: var(--soft); font-size: .92rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .8rem .35rem 0; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; }
pre { background: var(--tint); padding: .8rem 1rem; overflow-x: auto; font-size: .88rem; border-radius: 4px; }
footer { margin-top: 3rem; padding: 1.5rem 1.25rem 3rem; color: var(--soft); font-size: .92rem; }
@media (max-width: 40rem) { nav ol { columns: 1; } }
@media print { h2, figure { break-inside: avoid; } nav { display: none; } }
"""


def page(title: str, lead: str, stops: Sequence[Stop], footer: str) -> str:
    """The page.

    Args:
        title: Heading of the page.
        lead: Paragraph under it.
        stops: The sections.
        footer: A last line.
    """
    contents = "".join(f'<li><a href="#stop-{i}">{html.escape(stop.title)}</a></li>' for i, stop in enumerate(stops, 1))
    sections = "\n".join(_section(i, stop) for i, stop in enumerate(stops, 1))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>{html.escape(title)}</h1>
<p>{html.escape(lead)}</p>
<nav aria-label="Stops"><ol>{contents}</ol></nav>
</header>
<main>
{sections}
</main>
<footer>{html.escape(footer)}</footer>
</body>
</html>
"""


def _section(number: int, stop: Stop) -> str:
    parts = [f'<section id="stop-{number}"><h2><span>{number}</span>{html.escape(stop.title)}</h2>']
    parts += [f"<p>{html.escape(text)}</p>" for text in stop.text]
    if stop.code:
        parts.append(f"<pre><code>{html.escape(stop.code)}</code></pre>")
    parts += [_figure(picture) for picture in stop.pictures]
    if stop.table:
        parts.append(_table(stop.table))
    return "\n".join([*parts, "</section>"])


def _figure(picture: Picture) -> str:
    data = base64.b64encode(picture.path.read_bytes()).decode("ascii")
    caption = html.escape(picture.caption)
    return (
        f'<figure><img src="data:image/png;base64,{data}" alt="{caption}" width="{picture.width}" '
        f'height="{picture.height}"><figcaption>{caption}</figcaption></figure>'
    )


def _table(rows: Sequence[Sequence[str]]) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(row(cells, "td") for cells in rows[1:])
    return f'<div class="wide"><table><thead>{row(rows[0], "th")}</thead><tbody>{body}</tbody></table></div>'
