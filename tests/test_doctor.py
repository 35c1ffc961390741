"""`reeltune doctor` on this very machine, with real folders, stores and a loopback server."""

from __future__ import annotations

import io
import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from runner.commands.doctor import doctor
from runner.hardware.tools import package_version, shown_uri, store_problem, voice_library
from stages.media.encoders.catalog import known_encoders


def ask(*words: str, terminal: bool = False, width: int = 300) -> tuple[int, str]:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width, color_system=None, legacy_windows=False)
    status = doctor(list(words), console)
    assert isinstance(console.file, io.StringIO)
    return status, console.file.getvalue()


def findings(*words: str) -> tuple[int, dict[str, dict[str, Any]]]:
    status, text = ask("--json", *words)
    return status, {finding["what"]: finding for finding in json.loads(text)["findings"]}


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    return tmp_path / "outputs"


def test_everything_a_first_run_needs_is_there(outputs: Path) -> None:
    status, found = findings(f"outputs_dir={outputs}")
    assert status == 0
    for what in ("FFmpeg", "FFmpeg carries", "offline voice", "MLflow", "tracking store"):
        assert found[what]["state"] == "ok", found[what]
    assert found["FFmpeg carries"]["found"] == "libx264, libx265, libsvtav1, aac, libvmaf, ass"
    assert not outputs.exists(), "looking must not make anything"


def test_whatever_is_not_ok_has_a_mend(outputs: Path) -> None:
    _, found = findings(f"outputs_dir={outputs}")
    assert all(finding["mend"] for finding in found.values() if finding["state"] != "ok")


def test_json_holds_the_machine_too(outputs: Path) -> None:
    _, text = ask("--json", f"outputs_dir={outputs}", width=40)
    machine = json.loads(text)["machine"]
    assert machine["disks"][0]["folder"] == str(outputs)
    assert len(machine["fingerprint"]) == 12


def test_every_encoder_is_tried_and_told(outputs: Path) -> None:
    _, text = ask("--json", f"outputs_dir={outputs}")
    whole = json.loads(text)
    rows = {finding["what"]: finding for finding in whole["findings"] if finding["what"].startswith("encoder ")}
    assert list(rows) == [f"encoder {name}" for name in [*known_encoders(), "auto"]]
    assert [trial["name"] for trial in whole["encoders"]] == known_encoders()
    for trial in whole["encoders"]:
        row = rows[f"encoder {trial['name']}"]
        assert row["state"] == ("ok" if trial["able"] else "missing")
        assert trial["able"] or row["found"] == trial["reason"] != ""
        assert trial["fps"] > 0 if trial["able"] else trial["fps"] == 0
        assert not trial["asked"], "what doctor asks for must not be at fault"
    assert all(rows[f"encoder {name}"]["state"] == "ok" for name in ("x264", "x265", "svtav1", "auto"))
    assert sum(trial["seconds"] for trial in whole["encoders"]) < 15, "meant to be under 3 s"


@pytest.mark.skipif(Path("/proc/driver/nvidia/version").exists(), reason="here the driver is there")
def test_an_encoder_without_its_driver_is_told_with_the_mend(outputs: Path) -> None:
    status, found = findings(f"outputs_dir={outputs}")
    assert status == 0, "no encoder chip is required"
    assert found["encoder nvenc_h264"]["found"].startswith("no NVIDIA driver: ")
    assert "install the NVIDIA driver" in found["encoder nvenc_h264"]["mend"]
    assert found["encoder auto"]["found"].startswith("x264 was chosen; nvenc_h264, nvenc_hevc, nvenc_av1 cannot")


def test_plain_lines_when_not_a_terminal(outputs: Path) -> None:
    _, text = ask(f"outputs_dir={outputs}", width=40)
    states = {line.split()[0] for line in text.splitlines()}
    assert states <= {"ok", "limited", "missing"}
    assert not set(text) & set("┃│━\x1b")


def test_a_table_on_a_terminal_shows_odd_names_as_they_are(tmp_path: Path) -> None:
    odd = tmp_path / "out [bold] :smile: é"
    _, text = ask(f"outputs_dir={odd}", terminal=True)
    assert "┃" in text
    assert "out [bold] :smile: é" in text


def test_an_outputs_folder_that_cannot_be_written_ends_with_1() -> None:
    if sys.platform != "linux":
        pytest.skip("needs a folder that even root cannot write")
    status, found = findings("outputs_dir=/proc/self/outputs")
    assert status == 1
    assert found["outputs folder"]["state"] == "missing"
    assert "outputs_dir=" in found["outputs folder"]["mend"]


def test_a_temp_folder_in_memory_is_limited(outputs: Path) -> None:
    if not Path("/dev/shm").is_dir():
        pytest.skip("no /dev/shm")
    status, found = findings(f"outputs_dir={outputs}", "temp_dir=/dev/shm")
    assert (status, found["temp folder"]["state"]) == (0, "limited")
    assert "memory" in found["temp folder"]["found"]


def test_a_wrong_ffmpeg_is_told_and_ends_with_1(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELTUNE_FFMPEG", "/nowhere/ffmpeg")
    status, found = findings(f"outputs_dir={outputs}")
    assert status == 1
    assert "REELTUNE_FFMPEG=/nowhere/ffmpeg" in found["FFmpeg"]["found"]
    assert not [what for what in found if what.startswith("encoder ")], "the line of FFmpeg tells it all"


def test_an_unknown_word_is_refused_in_one_sentence() -> None:
    status, text = ask("pipeline=narrate")
    assert status == 2
    assert text.count("\n") == 1
    assert "outputs_dir=" in text


def test_it_stays_quick(outputs: Path) -> None:
    start = time.perf_counter()
    code = f"import sys; from rich.console import Console; from runner.commands.doctor import doctor; \
sys.exit(doctor(['outputs_dir={outputs}'], Console()))"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert time.perf_counter() - start < 10, "meant to be under 2 s; ten times the usual is a hang, not a busy machine"


def test_importing_the_command_imports_nothing_heavy() -> None:
    code = (
        "import sys, runner.commands.doctor;"
        "print([m for m in ('rich', 'mlflow', 'pynvml', 'psutil') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


# --- tools ---------------------------------------------------------------------------------------


def test_the_voice_answers_with_its_version() -> None:
    version, reason = voice_library()
    assert version is not None
    assert version.startswith("1.")
    assert reason == ""


def test_packages_are_told_apart() -> None:
    assert package_version("hydra-core") is not None
    assert package_version("reeltune-no-such-package") is None


def test_a_sqlite_store_is_opened(tmp_path: Path) -> None:
    store = tmp_path / "ml flow?.db"
    assert store_problem(f"sqlite:///{store}") is None
    with sqlite3.connect(store) as database:
        database.execute("CREATE TABLE alembic_version (version_num TEXT)")
    database.close()
    assert store_problem(f"sqlite:///{store}") is None
    store.write_bytes(b"no database at all" * 100)
    assert "is no MLflow store" in (store_problem(f"sqlite:///{store}") or "")
    assert "neither" in (store_problem("mlruns") or "")


class _Health(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class _Broken(_Health):
    status = 503


@pytest.fixture
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with HTTPServer(("127.0.0.1", 0), request.param) as served:
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"127.0.0.1:{served.server_port}"
        served.shutdown()
        thread.join()


@pytest.mark.parametrize("server", [_Health], indirect=True)
def test_a_server_that_answers_is_ok(server: str) -> None:
    assert store_problem(f"http://{server}/") is None


@pytest.mark.parametrize("server", [_Broken], indirect=True)
def test_a_server_that_is_ill_is_told_without_its_password(server: str, outputs: Path) -> None:
    assert "503" in (store_problem(f"http://{server}") or "")
    _, text = ask(f"outputs_dir={outputs}", f"tracking.uri=http://me:hush@{server}")
    assert "hush" not in text
    assert f"http://{server} answers 503" in text


def test_a_server_that_is_gone_is_limited_not_missing(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    status, found = findings(f"outputs_dir={outputs}", "tracking.uri=http://127.0.0.1:9")
    assert (status, found["tracking store"]["state"]) == (0, "limited")
    assert "reeltune sync" in found["tracking store"]["mend"]


def test_addresses_are_shown_without_secrets() -> None:
    assert shown_uri("https://me:hush@host:5000/x") == "https://host:5000/x"
    assert shown_uri("sqlite:///outputs/mlflow.db") == "sqlite:///outputs/mlflow.db"
