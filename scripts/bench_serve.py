"""A service under load beside its bare model: ``python scripts/bench_serve.py --run runs/market_strong/<time>``.

Crops are drawn at random, so that nobody is shown. The service is a process on the loopback, asked by as many clients
at once as ``--concurrent`` says, each with one image a request. The bare model embeds the same images, decoded before,
in batches of as many, in this process while the service idles; both take turns. What decoding them alone costs is
printed too, as the service has to do it. Clients and service share the cores.
Processor time of an image (both cores, the clients' too) tells the same where other work runs beside. There set
OMP_WAIT_POLICY=passive, or threads that wait for each other burn the processor time that others need.
"""

import argparse
import asyncio
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import mean, median

import numpy as np
import torch
from PIL import Image

import reid_lit.gallery
from reid_lit import load
from reid_lit.gallery.rows import Entry
from reid_lit.memory import keep_freed_memory
from reid_lit.testing.embedder import Embedder

EDGE = b"edge"


def crop(seed: int, size: tuple[int, int] = (64, 128)) -> bytes:
    """A JPEG of soft random colours."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (16, 8, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    file = io.BytesIO()
    coarse.save(file, "JPEG", quality=90)
    return file.getvalue()


def request(content: bytes) -> bytes:
    """A query for one image, as bytes."""
    head = b'--%s\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n' % EDGE
    body = head + content + b"\r\n--%s--\r\n" % EDGE
    return (
        b"POST /query HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=%s\r\n"
        b"Content-Length: %d\r\n\r\n" % (EDGE, len(body)) + body
    )


async def client(port: int, requests: list[bytes], seconds: list[float], failed: list[str]) -> None:
    """Send requests one after the other over one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while requests:
        sent = requests.pop()
        start = time.perf_counter()
        writer.write(sent)
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(re.search(rb"(?i)content-length: (\d+)", head)[1]))
        seconds.append(time.perf_counter() - start)
        if not head.startswith(b"HTTP/1.1 200") or not json.loads(body)["answers"][0]["hits"]:
            failed.append(body.decode()[:200])
    writer.close()


async def load_of(port: int, contents: list[bytes], concurrent: int) -> tuple[float, list[float], list[str]]:
    """Images a second, the seconds of each request, and what failed."""
    requests, seconds, failed = [request(content) for content in contents], [], []
    start = time.perf_counter()
    await asyncio.gather(*(client(port, requests, seconds, failed) for _ in range(concurrent)))
    return len(seconds) / (time.perf_counter() - start), seconds, failed


def processor_seconds(process: int | None = None) -> float:
    """What a process has used so far; None: this one."""
    if process is None:
        return time.process_time()
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bare(embedder: Embedder, images: torch.Tensor, batch: int) -> float:
    """Images a second of the model alone."""
    start = time.perf_counter()
    for part in images.split(batch):
        embedder.embed_prepared(part)
    return len(images) / (time.perf_counter() - start)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True, help="a finished run, whose model embeds")
    parser.add_argument("--images", type=int, default=512, help="queries of a turn")
    parser.add_argument("--enrolled", type=int, default=1000)
    parser.add_argument("--concurrent", type=int, default=32)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--plain", action="store_true", help="the bare model's process frees memory as Python does")
    asked = parser.parse_args()
    if not asked.plain:
        keep_freed_memory()  # as the service does
    contents = [crop(seed) for seed in range(asked.images)]
    embedder = load(asked.run)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "gallery"
        gallery = reid_lit.gallery.create(folder, asked.run)
        gallery.embedder = embedder
        gallery.enrol([Entry(path=f"drawn:{k}", content=crop(10**6 + k)) for k in range(asked.enrolled)])
        embedder.prepared(contents[:64])
        start = processor_seconds()
        images = embedder.prepared(contents)
        decoding = 1000 * (processor_seconds() - start) / asked.images
        command = [sys.executable, "-m", "reid_lit.serve", f"gallery={folder}", "port=0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
            try:
                port = int(re.search(r":(\d+)/ answers for", service.stdout.readline())[1])
                measure(asked, service.pid, port, embedder, images, contents)
                print(f"of them, decoding and resizing in one thread: {decoding:.2f} ms of an image")
            finally:
                service.terminate()


def measure(
    asked: argparse.Namespace, service: int, port: int, embedder: Embedder, images: torch.Tensor, contents: list[bytes]
) -> None:
    """Model and service in turns."""
    bare(embedder, images[: 2 * asked.concurrent], asked.concurrent)
    asyncio.run(
        load_of(port, contents[: 8 * asked.concurrent], asked.concurrent)
    )  # each size of batch is prepared once
    alone, served, seconds, failed = [], [], [], []
    used = [0.0, 0.0, 0.0]
    for _ in range(asked.turns):
        before = processor_seconds()
        alone.append(bare(embedder, images, asked.concurrent))
        middle, other = processor_seconds(), processor_seconds(service)
        rate, took, faults = asyncio.run(load_of(port, contents, asked.concurrent))
        after = (middle - before, processor_seconds(service) - other, processor_seconds() - middle)
        used = [total + more / asked.images for total, more in zip(used, after, strict=True)]
        served.append(rate)
        seconds += took
        failed += faults
    alone.append(bare(embedder, images, asked.concurrent))
    between = [mean(pair) for pair in pairwise(alone)]
    ratios = [rate / other for rate, other in zip(served, between, strict=True)]
    size = "×".join(str(side) for side in embedder.transform.test_size)
    print(f"{asked.images} queries a turn, {asked.concurrent} at once, {asked.enrolled} enrolled, {size} pixels")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {embedder.precision}")
    print("bare model, images/s:", " ".join(f"{rate:.1f}" for rate in alone))
    print("service, images/s:   ", " ".join(f"{rate:.1f}" for rate in served))
    print("ratio:               ", " ".join(f"{ratio:.2f}" for ratio in ratios), f"median {median(ratios):.2f}")
    model, service_used, clients = (1000 * total / asked.turns for total in used)
    print(f"processor ms of an image: bare {model:.1f}, service {service_used:.1f}, clients {clients:.1f};", end=" ")
    print(f"ratio {model / (service_used + clients):.2f}")
    p50, p95 = np.percentile(seconds, [50, 95])
    print(f"seconds of a request: median {p50:.3f}, p95 {p95:.3f}, most {max(seconds):.3f}")
    lost = asked.turns * asked.images - len(seconds) + len(failed)
    print(f"lost: {lost}", *failed[:3])


if __name__ == "__main__":
    main()
