"""The service as a process: killed, what it has acknowledged is on the disk; asked to end, it answers first."""

import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count

import pytest
from tests.serve.conftest import Client, drawn_crop

from reid_lit.gallery.making import open_gallery

pytestmark = pytest.mark.slow


@contextmanager
def started(folder, *words):
    """The process, and the port at which it answers."""
    command = [sys.executable, "-m", "reid_lit.serve", f"gallery={folder}", "port=0", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, cwd=folder.parent, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            yield process, int(re.search(r":(\d+)/ answers for", line)[1])
        finally:
            process.kill()


def test_what_was_acknowledged_survives_a_kill_and_an_end_waits_for_answers(empty_gallery, tmp_path, tls):
    folder, numbers, acknowledged = tmp_path / "doors", count(), set()
    shutil.copytree(empty_gallery, folder)
    enough = threading.Event()

    def enrol(client):
        while True:
            try:
                status, said, _ = client.send("/enrol", drawn_crop(next(numbers)), person="p")
            except OSError:
                return
            assert status == 200
            acknowledged.update(said["paths"].values())
            if len(acknowledged) >= 12:
                enough.set()

    with started(folder) as (process, port), ThreadPoolExecutor(4) as pool:
        loads = [pool.submit(enrol, Client(port)) for _ in range(4)]
        assert enough.wait(60), [load.exception(0) for load in loads if load.done()]
        os.kill(process.pid, signal.SIGKILL)
        for load in loads:
            load.result()
    kept = {row["path"] for row in open_gallery(folder).rows()}
    assert acknowledged <= kept
    assert len(kept) <= len(acknowledged) + 4  # what was on its way may be there

    words = (f"certificate={tls[0]}", f"private_key={tls[1]}", "wait_ms=1500", "batch_size=64")
    with started(folder, *words) as (process, port), ThreadPoolExecutor(1) as pool:
        client = Client(port, tls=ssl.create_default_context(cafile=tls[0]))
        assert client.get("/about")[1]["images"] == len(kept)
        asked = pool.submit(client.send, "/enrol", drawn_crop(10_000))  # waits for others to come
        while "reid_requests_running 2.0" not in client.get("/metrics")[1]:
            pass
        process.send_signal(signal.SIGTERM)
        assert asked.result()[1]["added"] == 1
        assert process.wait(60) == 143
    assert len(open_gallery(folder)) == len(kept) + 1
