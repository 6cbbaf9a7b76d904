"""What the documents hold: fenced blocks, spans of code, links."""

import pathlib
import re

ROOT = pathlib.Path(__file__).parents[2]
SHELL = ("sh", "bash", "console")


def documents():
    """README, then docs/, as (name, text)."""
    found = ["README.md"] + sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")) + ["tests/sim/README.md"]
    return [(name, (ROOT / name).read_text()) for name in found]


def blocks(text, *languages):
    """(line, language, body) of the fenced blocks in these languages."""
    found = []
    for match in re.finditer(r"^```(\w*)\n(.*?)^```", text, re.S | re.M):
        if match[1] in languages:
            found.append((text[: match.start()].count("\n") + 2, match[1], match[2]))
    return found


def without_blocks(text):
    """The text with its fenced blocks blanked; lines keep their numbers."""
    return re.sub(r"^```.*?^```", lambda match: "\n" * match[0].count("\n"), text, flags=re.S | re.M)


def spans(text):
    """(line, code) of every span of code outside blocks; a span may go over the end of a line."""
    text = without_blocks(text)
    found = []
    for match in re.finditer(r"`([^`]+)`", text):
        if "\n\n" not in match[1]:
            found.append((text[: match.start()].count("\n") + 1, " ".join(match[1].split()).replace("\\|", "|")))
    return found


def anchors(text):
    """The anchors of a page, as the forge makes them of headings."""
    made = set()
    for heading in re.findall(r"^#+ +(.*)$", without_blocks(text), re.M):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        made.add(re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-"))
    return made


def links(text):
    """(line, target) of every link to a file or an anchor of the repository."""
    text = without_blocks(text)
    found = []
    for match in re.finditer(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"\w+:", match[1]):
            found.append((text[: match.start()].count("\n") + 1, match[1]))
    return found
