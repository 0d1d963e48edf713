import http.client
import io
import json
import shutil
import socket
import ssl
import threading
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import numpy as np
import pytest
from PIL import Image

from reid_lit.safeguards.guard import set_policy
from reid_lit.safeguards.policy import OPEN

pytest.importorskip("lancedb", reason="the extra gallery")
uvicorn = pytest.importorskip("uvicorn", reason="the extra serve")
pytest.importorskip("fastapi", reason="the extra serve")
pytest.importorskip("prometheus_client", reason="the extra serve")

from tests.gallery.conftest import calibrated_run  # noqa: E402, F401 - a fixture


def drawn_crop(seed, kind="PNG", size=(32, 64)):
    """A crop of a person who does not exist: the same one for a seed."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (8, 4, 3), dtype=np.uint8))
    file = io.BytesIO()
    coarse.resize(size, Image.Resampling.BICUBIC).save(file, kind)
    return file.getvalue()


@dataclass
class Client:
    """Asks a service on this machine."""

    port: int
    token: str | None = None
    purpose: str | None = None
    headers: dict = field(default_factory=dict)
    tls: ssl.SSLContext | None = None

    def ask(self, method, path, body=b"", kind="", headers=()):
        if self.tls is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        else:
            connection = http.client.HTTPSConnection("localhost", self.port, timeout=60, context=self.tls)
        sent = {**({"Content-Type": kind} if kind else {}), **self.headers, **dict(headers)}
        sent |= {"Authorization": f"Bearer {self.token}"} if self.token else {}
        sent |= {"X-Purpose": self.purpose} if self.purpose else {}
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            content = answer.read()
            is_json = answer.headers.get_content_type() == "application/json"
            return answer.status, json.loads(content) if is_json else content.decode(), dict(answer.headers)
        finally:
            connection.close()

    def get(self, path, **query):
        return self.ask("GET", f"{path}?{urlencode(query)}" if query else path)

    def post(self, path, **content):
        return self.ask("POST", path, json.dumps(content).encode(), "application/json")

    def send(self, path, *images, **fields):
        """Upload images; a pair gives its name."""
        edge = uuid.uuid4().hex
        parts = [(f'name="{name}"', str(value).encode()) for name, value in fields.items()]
        named = [each if isinstance(each, tuple) else (f"crop{k}.png", each) for k, each in enumerate(images)]
        parts += [(f'name="image"; filename="{name}"\r\nContent-Type: image/png', content) for name, content in named]
        body = b"".join(
            b"--%s\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (edge.encode(), head.encode(), content)
            for head, content in parts
        )
        return self.ask("POST", path, body + b"--%s--\r\n" % edge.encode(), f"multipart/form-data; boundary={edge}")


@contextmanager
def served(gallery, guard, **changes):
    """A service in a thread of this process; gives its port and the app."""
    from reid_lit.serve.app import Sizes, make_app

    sizes = Sizes(batch_size=8, wait=0.004, max_bytes=200_000, max_pixels=100_000, max_images=4)
    app = make_app(gallery, guard, sizes=replace(sizes, **changes))
    place = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="on"))
    thread = threading.Thread(target=server.run, args=([place],), daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield place.getsockname()[1]
    server.should_exit = True
    thread.join(30)
    assert not thread.is_alive()


@pytest.fixture(scope="session")
def empty_gallery(calibrated_run, tmp_path_factory):  # noqa: F811
    import reid_lit.gallery

    place = tmp_path_factory.mktemp("galleries") / "doors"
    reid_lit.gallery.create(place, calibrated_run, thumbnails=True)
    return place


@pytest.fixture
def service(empty_gallery, tmp_path):
    """Make a service of an empty gallery, and give a client of it; its policy is the open one with these changes."""
    from reid_lit.gallery.making import open_gallery
    from reid_lit.safeguards.guard import Guard
    from reid_lit.serve.sharing import SharedGallery

    running = []

    def start(sizes=None, **policy):
        folder = tmp_path / "doors"
        shutil.copytree(empty_gallery, folder)
        if policy:
            set_policy(folder, replace(OPEN, **policy))
        context = served(open_gallery(folder, kind=SharedGallery), Guard(folder), **(sizes or {}))
        client = Client(context.__enter__())
        running.append(context)
        client.folder = folder
        return client

    yield start
    for context in running:
        context.__exit__(None, None, None)


def with_token(client, name, *roles, expires=None):
    """The client, with a new token of these roles."""
    from reid_lit.safeguards.tokens import Tokens

    return replace(client, token=Tokens(client.folder).make(name, roles, expires=expires))


@pytest.fixture(scope="session")
def tls(tmp_path_factory):
    """A certificate of localhost that signed itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    start = datetime.now(UTC) - timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder, coding = tmp_path_factory.mktemp("tls"), serialization.Encoding.PEM
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(coding))
    plain = serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(coding, serialization.PrivateFormat.PKCS8, plain))
    return files
