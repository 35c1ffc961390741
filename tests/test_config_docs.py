"""docs/configuration.md says what the code checks."""

import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).resolve().parent.parent / "tools" / "config_docs.py"


def run(*words, cwd):
    return subprocess.run([sys.executable, TOOL, *words], cwd=cwd, capture_output=True, text=True, timeout=60)


def test_the_page_is_up_to_date(tmp_path):
    done = run("--check", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_page_that_differs_is_noticed(tmp_path):
    """The tool in a copy of the tree, with one default of the page changed."""
    home = TOOL.parent.parent
    for name in ("conf", "runner", "stages"):
        (tmp_path / name).symlink_to(home / name, target_is_directory=True)
    (tmp_path / "tools").mkdir()
    (tmp_path / "docs").mkdir()
    tool = tmp_path / "tools" / TOOL.name
    tool.write_bytes(TOOL.read_bytes())
    page = tmp_path / "docs" / "configuration.md"
    text = (home / "docs" / "configuration.md").read_text(encoding="utf-8")
    page.write_text(text.replace("| `audio.channels` | `2` |", "| `audio.channels` | `7` |"), encoding="utf-8")
    words = [sys.executable, tool, "--check"]
    stale = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert stale.returncode == 1
    assert "run python tools/config_docs.py" in stale.stderr
    subprocess.run([sys.executable, tool], cwd=tmp_path, check=True, timeout=60)
    assert page.read_text(encoding="utf-8") == text
