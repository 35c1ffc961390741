"""The documents: their Python runs, their links lead somewhere, the settings they print exist."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
from film_help import film

from runner.config.arguments import override_key, sort_words
from runner.config.compose import GROUPS, compose, known_roots
from runner.tune.request import read_request

HOME = Path(__file__).resolve().parent.parent
PAGES = [HOME / "README.md", HOME / "CHANGELOG.md", *sorted(HOME.glob("docs/**/*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)|src(?:set)?=\"([^\"]+)\"")
COMMAND = re.compile(r"^\$?\s*reeltune(?: plan| run)? (?:-m )?(pipeline=.*)$", re.MULTILINE)
OWN = ("profile=podcast", "profile=mine")  # YAML that the reader writes


def anchors(page):
    """Names of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for first, second in LINK.findall(page.read_text(encoding="utf-8")):
        target, _, anchor = (first or second).partition("#")
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        file = (page.parent / unquote(target)).resolve() if target else page
        assert file.exists(), f"{page.name} leads to {target}, which is not there"
        assert not anchor or anchor in anchors(file), f"{page.name}: no heading #{anchor} in {file.name}"


@pytest.mark.untraced
def test_the_python_of_the_guide_runs(tmp_path):
    blocks = re.findall(r"^```python\n(.*?)^```", (HOME / "docs" / "guide.md").read_text("utf-8"), re.DOTALL | re.M)
    assert len(blocks) == 2
    film(tmp_path / "clip.mp4", "-c:v", "libx264", "-c:a", "aac", seconds=1)
    for block, made in zip(blocks, ("large.mkv", "audio.m4a"), strict=True):
        done = subprocess.run(
            [sys.executable, "-c", block], cwd=tmp_path, env={"PYTHONPATH": str(HOME), "TMPDIR": str(tmp_path)},
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert made in done.stdout


def printed_commands():
    for page in PAGES:
        for command in COMMAND.findall(page.read_text(encoding="utf-8").replace("\\\n", " ")):
            yield page.name, command.split("  #")[0].split(" #")[0]


@pytest.mark.parametrize(("page", "command"), sorted(set(printed_commands())))
def test_settings_of_printed_commands_exist(page, command):
    import shlex

    words = [word for word in shlex.split(command) if "…" not in word]
    arguments = sort_words(words, known_roots())
    choices = [w for w in arguments.overrides if w not in OWN and not w.startswith(("hydra", "profile=tuned_"))]
    if arguments.command == "tune":
        choices = list(read_request(choices)[0].words)
    one_each = [re.sub(r"=([^\[{'\"]*?),.*", r"=\1", word) for word in choices]
    composition = compose(one_each, {}, arguments.config_dir)
    assert not composition.problems, f"{page}: {command}"
    assert words[0] == "tune" or any(override_key(word) in GROUPS for word in one_each)
