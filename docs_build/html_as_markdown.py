"""Writes the article of a rendered page as Markdown, for pages whose text comes from docstrings."""

from __future__ import annotations

from html.parser import HTMLParser

from attrs import define, field

_HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}
_BEGINNINGS = {**_HEADINGS, "p": "", "div": "", "li": "- ", "article": "", "ul": "", "ol": ""}
_MARKS = {"code": "`", "em": "*", "strong": "**"}


def article_as_markdown(html: str) -> str:
    """Return the headings, paragraphs, code and tables of a page's article; links as their text."""
    article = html[html.index("<article") : html.index("</article>") + len("</article>")]
    reader = _Article()
    reader.feed(article)
    reader.close()
    return "\n\n".join(reader.blocks) + "\n"


@define
class _Article(HTMLParser):
    """Collects blocks; a block ends where the next one begins."""

    blocks: list[str] = field(factory=list)
    text: list[str] = field(factory=list)
    beginning: str = ""
    row: list[str] = field(factory=list)
    rows: list[str] = field(factory=list)
    inside: list[str] = field(factory=list)  # which of `pre`, `table` and a heading's own link

    def __attrs_pre_init__(self) -> None:
        """Set the parser up."""
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a block, a row or a mark."""
        if tag == "a" and "headerlink" in (dict(attrs).get("class") or ""):
            self.inside.append("a")
        elif tag in ("pre", "table"):
            self._end_block()
            self.inside.append(tag)
        elif tag in _BEGINNINGS and not self.inside:
            self._end_block()
            self.beginning = _BEGINNINGS[tag] or self.beginning
        elif tag in _MARKS and "pre" not in self.inside:
            self.text.append(_MARKS[tag])

    def handle_endtag(self, tag: str) -> None:
        """End what began."""
        if self.inside[-1:] == [tag]:
            self.inside.pop()
            self._end_special(tag)
        elif "table" in self.inside:
            self._end_in_table(tag)
        elif tag in _BEGINNINGS:
            self._end_block()
        if tag in _MARKS and "pre" not in self.inside:
            self.text.append(_MARKS[tag])

    def handle_data(self, data: str) -> None:
        """Collect the text, but for the sign that links a heading to itself."""
        if "a" not in self.inside:
            self.text.append(data)

    def _end_special(self, tag: str) -> None:
        if tag == "pre":
            code = "".join(self.text).strip("\n")
            self.blocks.append(f"```python\n{code}\n```")
            self.text.clear()
        elif tag == "table":
            self.blocks.append("\n".join(self.rows))
            self.rows.clear()

    def _end_in_table(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.row.append(self._taken().replace("|", "\\|"))
        elif tag == "tr":
            self.rows.append(f"| {' | '.join(self.row)} |")
            if len(self.rows) == 1:
                self.rows.append("|---" * len(self.row) + "|")
            self.row.clear()

    def _end_block(self) -> None:
        if text := self._taken():
            self.blocks.append(self.beginning + text)
            self.beginning = ""

    def _taken(self) -> str:
        text = " ".join("".join(self.text).split())
        self.text.clear()
        return text
