"""What the site shows beside docs/: the repository's own pages and its examples, with links that lead to them."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
PAGES = {  # where it stands in the repository, and its place on the site
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "CITATION.cff": "CITATION.cff",
    "benchmarks/README.md": "benchmarks.md",
}
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#:]+)((?:#[^)]*)?)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds them."""
    examples = {f"examples/{path.name}": f"examples/{path.name}" for path in (ROOT / "examples").glob("*.py")}
    for source, place in (PAGES | examples).items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turns a link as the repository has it into one as the site has it; what is only in the repository is no link."""
    places = {Path(file.abs_src_path).resolve(): file.src_uri for file in files if file.abs_src_path}
    here = Path(page.file.abs_src_path).resolve().parent
    depth = "../" * page.file.src_uri.count("/")

    def there(link: re.Match[str]) -> str:
        text, target, anchor = link.groups()
        path = (here / target).resolve()
        if path in places:
            return f"[{text}]({depth}{places[path]}{anchor})"
        return text if path.exists() else link[0]

    return LINK.sub(there, markdown)
