"""What mkdocs.yml cannot say: pages made from the command line's help and from notebooks, and pages that no list holds.

mkdocs calls these functions while it builds the site.
"""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
# A page that a text names by its path in the repository, outside of links and code.
NAMED_PAGE = re.compile(r"(?<![\w/\[])(?<!\]\()(?:docs/([\w/-]+\.md)|(examples/\w+)\.ipynb)")
CODE = re.compile(
    r"(^```.*?^```$|(?<=\n\n)(?: {4}[^\n]*\n)+|`(?:[^`\n]|\n(?!\n))+`)", re.MULTILINE | re.DOTALL
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the examples, the commands and the pages that mkdocs.yml does not list into the navigation."""
    docs = Path(config.docs_dir)
    listed = set(re.findall(r"[\w/-]+\.md", json.dumps(config.nav)))
    pages = [path.relative_to(docs).as_posix() for path in sorted(docs.rglob("*.md"))]
    decisions = sorted(
        (page for page in pages if page.startswith("decisions/")), key=lambda page: "README" not in page
    )
    others = [page for page in pages if page not in listed and page not in decisions]
    nav = config.nav or []
    sections: dict[str, list[Any]] = {name: pages for entry in nav for name, pages in entry.items()}
    sections["Reference"].insert(1, {"Command line": "reference/commands.md"})
    sections["Reference"] += [*others, {"Decisions": decisions}]
    nav.insert(2, {"Examples": [f"examples/{path.stem}.md" for path in notebooks()]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made here."""
    files.append(File.generated(config, "reference/commands.md", content=commands_page()))
    for path in notebooks():
        files.append(File.generated(config, f"examples/{path.stem}.md", content=notebook_page(path)))
    return files


def on_page_markdown(markdown: str, page: Page, files: Files, **_: Any) -> str:
    """Turn names of pages into links: "docs/gaps.md" of a text in the repository becomes a link with the page's title."""

    def link(match: re.Match[str]) -> str:
        name = match[1] or f"{match[2]}.md"
        file = files.get_file_from_path(name)
        if file is None:
            raise PluginError(f"{page.file.src_uri} names {match[0]}, which is no page")
        heading = re.search(r"^# (.+)$", file.content_string, re.MULTILINE)
        if heading is None:
            raise PluginError(f"{match[0]} has no heading")
        target = posixpath.relpath(name, posixpath.dirname(page.file.src_uri))
        return f"[{heading[1].partition(':')[0]}]({target})"

    parts = CODE.split(markdown)
    return "".join(part if i % 2 else NAMED_PAGE.sub(link, part) for i, part in enumerate(parts))


def commands_page() -> str:
    """Every command with its options, from the same help that `ambivox COMMAND --help` shows."""
    from ambivox.flows.cli import build

    text = build().generate_docs(heading_level=1)
    head, _, rest = text.partition("## Table of Contents")
    commands = rest[rest.index("**Pipeline**") :].partition("## ambivox --install-completion")[0]
    commands = re.sub(r"\*\*Session\*\*:\n\n(?:\* .*\n)+\n", "", commands)
    # The same flags of all commands, said once; --json is of steps with figures only.
    block = re.compile(r"\*\*Output\*\*:\n\n((?:\* `--.*\n)+)")
    shared = list(dict.fromkeys(line for lines in block.findall(commands) for line in lines.splitlines()))
    if not shared:
        raise PluginError("the help of the commands has another form than it had")
    head = head.replace("# ambivox", "# Command line", 1)
    flags = "\n".join(shared)
    return f"{head}Flags of every command (`--json` where a step has figures):\n\n{flags}\n\n{block.sub('', commands)}"


def notebooks() -> list[Path]:
    """The notebooks of examples/, in the order of their names."""
    return sorted((ROOT / "examples").glob("*.ipynb"))


def notebook_page(path: Path) -> str:
    """A notebook as a page: text, code and the printed results that are stored in it."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        parts += [f"```text\n{text.rstrip()}\n```" for text in printed(cell)]
    parts.append(f"This page is the notebook `examples/{path.name}`, with the results that a test compares.")
    return "\n\n".join(parts) + "\n"


def printed(cell: dict[str, Any]) -> list[str]:
    """The texts that a cell shows."""
    texts = []
    for output in cell["outputs"]:
        if output["output_type"] == "stream":
            texts.append("".join(output["text"]))
        elif "data" in output:
            texts.append("".join(output["data"]["text/plain"]))
    return texts
