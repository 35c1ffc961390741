"""A built wheel, installed elsewhere, run from another folder: YAML, templates and stages all come along."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from cli import ROOT, lines


@pytest.mark.proof
def test_a_wheel_works_from_another_folder(tmp_path):
    built = tmp_path / "dist"
    subprocess.run([sys.executable, "-m", "build", "--wheel", "-o", built, ROOT], check=True, capture_output=True)
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    python = venv / ("Scripts" if os.name == "nt" else "bin") / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", next(built.glob("*.whl"))], check=True)
    # the packages it needs come from the environment of the tests; the project itself only from the wheel
    site = next((venv / "lib").glob("python*/site-packages"))
    (site / "needs.pth").write_text(sysconfig.get_path("purelib") + "\n")
    here = tmp_path / "elsewhere"
    here.mkdir()
    lines(here / "lines.txt", "Hello from a wheel.", "And once more.")
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    where = [python, "-c", "import runner; print(runner.__file__)"]
    assert str(site) in subprocess.run(where, cwd=here, env=env, capture_output=True, text=True, check=True).stdout
    words = [python.with_name("reeltune"), "pipeline=narrate", "lines.txt"]
    done = subprocess.run(words, cwd=here, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(list(here.glob("outputs/latest/result/lines/*.m4a"))) == 2
    assert Path(here / "outputs" / "latest" / "report.html").stat().st_size > 5000
