"""A run's folder as files of at most 16 MiB with their hashes, for machines that take few and small files."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

PART = 16 * 1024**2
LEFT_OUT = (".ckpt.tmp", ".png")
"""Ends of names of files that a training does without."""


def split_parts(run: Path, out: Path) -> list[str]:
    """Write ``<run's name>.tar.00`` … and ``<run's name>.json`` into ``out``; the names of the parts.

    A training that goes on meanwhile is read twice until nothing changes in between, three times at most.
    """
    content = _packed(run)
    parts = [content[start : start + PART] for start in range(0, len(content), PART)]
    index = []
    for number, part in enumerate(parts):
        name = f"{run.name}.tar.{number:02d}"
        _write(out / name, part)
        index.append({"name": name, "sha256": hashlib.sha256(part).hexdigest()})
    _write(out / f"{run.name}.json", json.dumps(index, indent=2).encode())
    for old in sorted(out.glob(f"{run.name}.tar.*"))[len(parts) :]:
        old.unlink()
    return [part["name"] for part in index]


def join_parts(out: Path, work: Path) -> None:
    """Put the runs that ``out`` holds in parts back into ``work``, but those that are there.

    Raises:
        SystemExit: a part is missing or is not what was written.
    """
    for file in sorted(out.glob("*.json")):
        name = file.stem
        if name == "results" or (work / name).is_dir():
            continue
        content = b"".join(_checked(out / part["name"], part["sha256"]) for part in json.loads(file.read_text()))
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            tar.extractall(work, filter="data")


def _packed(run: Path) -> bytes:
    for _ in range(3):
        files = sorted(path for path in run.rglob("*") if path.is_file() and not path.name.endswith(LEFT_OUT))
        before = [path.stat().st_mtime_ns for path in files]
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w") as tar:
            for path in files:
                tar.add(path, arcname=str(path.relative_to(run.parent)))
        if before == [path.stat().st_mtime_ns for path in files if path.is_file()]:
            break
    return content.getvalue()


def _checked(file: Path, expected: str) -> bytes:
    if not file.is_file():
        raise SystemExit(f"{file} is missing: bring all parts of {file.stem}, or remove {file.stem.split('.')[0]}.json")
    content = file.read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != expected:
        raise SystemExit(f"{file} has the SHA-256 {found}, not {expected}: it was cut or exchanged; bring it again")
    return content


def _write(file: Path, content: bytes) -> None:
    part = file.with_name(f".{file.name}")
    part.write_bytes(content)
    part.replace(file)
