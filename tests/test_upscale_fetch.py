"""Weights fetched from a loopback server that drops, ignores, lies, refuses and stalls."""

import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from stages.contract import Failure, StageError
from stages.upscale.models import known as known_names
from stages.upscale.models.fetch import Patience, fetch
from stages.upscale.models.load import facts, load
from stages.upscale.models.spec import ModelSpec
from stages.upscale.models.srvgg import Srvgg
from stages.upscale.settings import UpscalerSettings

DATA = os.urandom(1_000_000)
QUICK = Patience(attempts=3, backoff_s=0.01, timeout_s=2.0)


class Server(ThreadingHTTPServer):
    """Serves one file. `faults` are taken one per request; then it behaves."""

    daemon_threads = True

    def __init__(self, data, faults=(), *, ranges=True):
        super().__init__(("127.0.0.1", 0), Handler)
        self.data, self.faults, self.ranges = data, list(faults), ranges
        self.asked = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/files/net.pth"

    def handle_error(self, request, client_address):
        """Connections that break are what is tested."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        fault = self.server.faults.pop(0) if self.server.faults else ""
        if isinstance(fault, int):
            return self.refuse(fault)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.server.ranges else 0
        if start >= len(self.server.data):
            return self.refuse(416, f"bytes */{len(self.server.data)}")
        return self.send_part(start, fault)

    def refuse(self, status, content_range=""):
        self.send_response(status)
        if content_range:
            self.send_header("Content-Range", content_range)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send_part(self, start, fault):
        data = self.server.data
        body = data[start:]
        self.send_response(206 if start else 200)
        if start:
            told = start - 7 if fault == "elsewhere" else start
            self.send_header("Content-Range", f"bytes {told}-{len(data) - 1}/{len(data)}")
        if fault == "no length":
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault == "reset":
            self.connection.close()
        elif fault == "drop":
            self.wfile.write(body[:300_000])
            self.close_connection = True
            self.connection.shutdown(2)
        elif fault == "stall":
            self.wfile.write(body[:1000])
            threading.Event().wait(4)
        elif fault == "wrong":
            self.wfile.write(bytes(len(body)))
        else:
            self.wfile.write(body)
            self.close_connection = fault == "no length"


@pytest.fixture
def serve():
    servers = []

    def start(data=DATA, faults=(), **how):
        server = Server(data, faults, **how)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def spec_of(server, sha256=None):
    digest = hashlib.sha256(DATA).hexdigest() if sha256 is None else sha256
    return ModelSpec("net", "srvgg", 4, 18, sha256=digest, url=server.url)


def left_in(folder):
    return sorted(file.name for file in folder.iterdir() if not file.name.endswith(".lock"))


def test_a_file_is_fetched_once_and_progress_is_told(serve, tmp_path):
    server, told = serve(), []
    for _ in range(2):
        file = fetch(spec_of(server), tmp_path / "models", progress=told.append, patience=QUICK)
        assert file.read_bytes() == DATA and file.name == "net.pth"
    assert server.asked == [None] and left_in(tmp_path / "models") == ["net.pth"]
    assert told == sorted(told) and told[-1] == 1.0 and len(told) > 2


def test_drops_are_gone_on_from_where_they_were(serve, tmp_path):
    server = serve(faults=["drop", "reset", 503, "drop", "drop"])
    assert fetch(spec_of(server), tmp_path, patience=QUICK).read_bytes() == DATA
    assert server.asked == [None, *["bytes=300000-"] * 3, "bytes=600000-", "bytes=900000-"]


def test_a_half_left_by_a_killed_process_is_gone_on_from(serve, tmp_path):
    (tmp_path / ".net.pth.part").write_bytes(DATA[:400_000])
    server = serve()
    assert fetch(spec_of(server), tmp_path, patience=QUICK).read_bytes() == DATA
    assert server.asked == ["bytes=400000-"]


def test_a_part_that_is_already_whole_is_taken(serve, tmp_path):
    (tmp_path / ".net.pth.part").write_bytes(DATA)
    server = serve()
    assert fetch(spec_of(server), tmp_path, patience=QUICK).read_bytes() == DATA
    assert server.asked == [f"bytes={len(DATA)}-"]


def test_a_server_that_knows_no_range_is_read_from_the_start(serve, tmp_path):
    server = serve(faults=["drop"], ranges=False)
    assert fetch(spec_of(server), tmp_path, patience=QUICK).read_bytes() == DATA
    assert server.asked == [None, "bytes=300000-"]


def test_a_part_from_elsewhere_is_not_glued_on(serve, tmp_path):
    server = serve(faults=["drop", "elsewhere"])
    assert fetch(spec_of(server), tmp_path, patience=QUICK).read_bytes() == DATA
    assert server.asked == [None, "bytes=300000-", None]


def test_an_unknown_length_is_read_to_its_end(serve, tmp_path):
    server = serve(faults=["no length"])
    assert fetch(spec_of(server), tmp_path, patience=QUICK).read_bytes() == DATA


def test_a_stall_ends_and_is_tried_again(serve, tmp_path):
    server = serve(faults=["stall"])
    patience = Patience(attempts=2, backoff_s=0.01, timeout_s=0.4)
    assert fetch(spec_of(server), tmp_path, patience=patience).read_bytes() == DATA
    assert server.asked == [None, "bytes=1000-"]


def test_wrong_bytes_are_thrown_away_and_tried_once_more(serve, tmp_path):
    server = serve(faults=["wrong"])
    assert fetch(spec_of(server), tmp_path, patience=QUICK).read_bytes() == DATA
    assert len(server.asked) == 2


def refused(spec, folder):
    with pytest.raises(StageError) as error:
        fetch(spec, folder, patience=QUICK)
    assert "\n" not in error.value.sentence
    assert "name a local file with upscaler.weights=, or use upscaler=embedded" in error.value.sentence
    return error.value


def test_bytes_that_stay_wrong_are_refused_with_both_digests(serve, tmp_path):
    server = serve()
    error = refused(spec_of(server, "0" * 64), tmp_path)
    assert error.failure == Failure.BAD_INPUT
    assert hashlib.sha256(DATA).hexdigest() in error.sentence and "0" * 64 in error.sentence
    assert len(server.asked) == 2 and left_in(tmp_path) == []


def test_what_is_not_there_is_not_asked_for_again(serve, tmp_path):
    server = serve(faults=[404])
    error = refused(spec_of(server), tmp_path)
    assert error.failure == Failure.BAD_INPUT and "HTTP 404" in error.sentence and len(server.asked) == 1


@pytest.mark.parametrize("fault", [500, "reset"])
def test_a_server_that_stays_broken_is_given_up(serve, tmp_path, fault):
    server = serve(faults=[fault] * 9)
    error = refused(spec_of(server), tmp_path)
    assert error.failure == Failure.NETWORK and len(server.asked) == QUICK.attempts
    assert left_in(tmp_path) in ([], [".net.pth.part"])


def test_no_network_is_said_in_one_sentence(tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as closed:
        url = f"http://127.0.0.1:{closed.server_port}/net.pth"
    error = refused(ModelSpec("net", "srvgg", 4, 18, sha256="0" * 64, url=url), tmp_path)
    assert error.failure == Failure.NETWORK and "refused" in error.sentence


def test_a_folder_that_is_a_file_is_said(serve, tmp_path):
    (tmp_path / "models").write_text("in the way")
    assert "cannot be kept in" in refused(spec_of(serve()), tmp_path / "models").sentence


def test_without_a_digest_no_halves_of_two_versions_are_joined(serve, tmp_path):
    (tmp_path / ".net.pth.part").write_bytes(b"half of another version")
    server = serve()
    assert fetch(spec_of(server, ""), tmp_path, patience=QUICK).read_bytes() == DATA
    assert server.asked == [None]


def test_a_damaged_file_in_the_folder_is_fetched_anew(serve, tmp_path):
    (tmp_path / "net.pth").write_bytes(DATA[:-1] + b"?")
    assert fetch(spec_of(serve()), tmp_path, patience=QUICK).read_bytes() == DATA


def test_many_who_want_it_at_once_fetch_it_once(serve, tmp_path):
    server = serve()
    with ThreadPoolExecutor(4) as pool:
        files = list(pool.map(lambda _: fetch(spec_of(server), tmp_path, patience=QUICK), range(4)))
    assert server.asked == [None] and {file.read_bytes() for file in files} == {DATA}


def test_a_known_name_is_fetched_and_loaded(serve, tmp_path, monkeypatch):
    net = Srvgg(4, 2, 4)
    torch.save({"params": net.state_dict()}, tmp_path / "made.pth")
    data = (tmp_path / "made.pth").read_bytes()
    server = serve(data, faults=[503])
    spec = ModelSpec("tiny", "srvgg", 4, 4, sha256=hashlib.sha256(data).hexdigest(), url=server.url, licence="MIT")
    monkeypatch.setitem(known_names.KNOWN, "tiny", spec)
    wanted, told = UpscalerSettings(name="realesrgan", weights="tiny"), []
    model = load(wanted, tmp_path / "models", progress=told.append)
    assert (model.spec.name, model.spec.licence, model.spec.radius) == ("tiny", "MIT", 4) and told[-1] == 1.0
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in model.state_dict().items())
    assert facts(wanted, tmp_path / "models") == model.spec and len(server.asked) == 2
