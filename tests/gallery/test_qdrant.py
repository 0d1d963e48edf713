"""What only Qdrant has: a folder of one process, and a server that may be away or want a key."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from weakref import WeakValueDictionary

import pytest

from reid_lit.errors import FailedError, InputError, MissingFileError
from reid_lit.gallery.engine import engine_of
from reid_lit.gallery.rows import Where, schema

pytest.importorskip("qdrant_client", reason="the extra qdrant is not installed")


@pytest.fixture
def answering():
    """The address of a server that gives one answer to all, and the requests that it got."""
    servers, requests = [], []

    def start(status):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                requests.append((self.path, dict(self.headers)))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(b"no")

            def log_message(self, *words):
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}?gallery=doors", requests

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the client leaves its lock file open
def test_a_folder_that_another_process_has_open_is_said(tmp_path, monkeypatch):
    first = engine_of("qdrant", str(tmp_path / "store"))
    first.create(schema(4))
    monkeypatch.setattr("reid_lit.gallery.qdrant._local", WeakValueDictionary())
    with pytest.raises(FailedError, match="another process has it open"):
        engine_of("qdrant", str(tmp_path / "store")).count(Where())


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (404, MissingFileError, r"holds no gallery's rows \(collection reid_lit_doors\)"),
        (401, FailedError, "the server says 401 no; set QDRANT_API_KEY"),
        (500, FailedError, "the server says 500 no"),
    ],
)
def test_what_a_server_says_is_said(answering, monkeypatch, status, error, said):
    monkeypatch.delenv("QDRANT_API_KEY", raising=False)
    store, requests = answering(status)
    with pytest.raises(error, match=said):
        engine_of("qdrant", store).count(Where())
    assert requests[0][0].startswith("/collections/reid_lit_doors/points/count")


def test_a_server_that_is_away_is_said():
    with pytest.raises(FailedError, match="Connection refused; see that the server runs"):
        engine_of("qdrant", "http://127.0.0.1:9").count(Where())


def test_a_key_is_sent_and_not_shown(answering, monkeypatch):
    monkeypatch.setenv("QDRANT_API_KEY", "secret")
    with pytest.raises(InputError, match="http:// would show it; give https://"):
        engine_of("qdrant", "http://qdrant.example:6333")
    store, requests = answering(500)
    with pytest.raises(FailedError) as caught:
        engine_of("qdrant", store).count(Where())
    assert requests[0][1]["api-key"] == "secret"
    assert "secret" not in str(caught.value)
