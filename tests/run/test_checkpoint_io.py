import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from reid_lit.backbones.checkpoint import read_checkpoint
from reid_lit.errors import InputError, WriteError
from reid_lit.run.checkpoint_io import WholeCheckpointIO

WRITER = """
import sys, torch
from pathlib import Path
from reid_lit.run.checkpoint_io import WholeCheckpointIO
io, file, number = WholeCheckpointIO(), Path(sys.argv[1]), 0
while True:
    io.save_checkpoint({"number": number, "weights": torch.full((3_000_000,), float(number))}, file)
    number += 1
    print(number, flush=True)
"""


def test_a_kill_at_any_moment_leaves_a_whole_checkpoint(tmp_path):
    other = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else tmp_path
    file = tmp_path / "checkpoints" / "last.ckpt"
    environment = {**os.environ, "TMPDIR": str(other)}
    for wait in (0.0, 0.011, 0.023):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, file], stdout=subprocess.PIPE, text=True, env=environment
        )
        least = [int(process.stdout.readline()) for _ in range(2)][-1]
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        content = read_checkpoint(file)
        assert content["number"] >= least - 1
        assert (content["weights"] == content["number"]).all()
    WholeCheckpointIO().save_checkpoint({"number": 0}, file)
    assert [path.name for path in file.parent.iterdir()] == ["last.ckpt"]  # what the killed ones left is gone


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path, monkeypatch):
    file = tmp_path / "run" / "checkpoints" / "last.ckpt"
    WholeCheckpointIO().save_checkpoint({"number": 1}, file)

    def full(content, stream):
        stream.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(
        WriteError, match=r"No space left .* of the epoch before is whole\. Make room, then .*resume=.*run goes on"
    ):
        WholeCheckpointIO().save_checkpoint({"number": 2}, file)
    assert read_checkpoint(file) == {"number": 1}
    split = tmp_path / "my run" / "split_3" / "checkpoints" / "last.ckpt"
    (tmp_path / "my run" / ".hydra").mkdir(parents=True)
    with pytest.raises(
        WriteError, match=r"reid_lit\.train 'resume=\".*/my run\"' goes on"
    ):  # the split is no run itself
        WholeCheckpointIO().save_checkpoint({"number": 2}, split)
    assert [path.name for path in file.parent.iterdir()] == ["last.ckpt"]


def test_a_flipped_bit_is_seen(tmp_path):
    file = tmp_path / "last.ckpt"
    WholeCheckpointIO().save_checkpoint({"weights": torch.arange(10_000.0)}, file)
    content = bytearray(file.read_bytes())
    place = content.index(torch.arange(10_000.0).numpy().tobytes()[400:440])
    content[place] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match="another checksum than it was written with"):
        read_checkpoint(file)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "empty, as a power failure leaves"), (b"PK\x03\x04half", "damaged"), (b"abc", "damaged")],
)
def test_what_is_no_checkpoint_is_named(tmp_path, content, message):
    (tmp_path / "last.ckpt").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_checkpoint(tmp_path / "last.ckpt")


def test_a_refused_pickle_does_not_repeat_the_advice_to_read_it_all_the_same(tmp_path):
    torch.save({"a": os.path.join}, tmp_path / "evil.pth")
    with pytest.raises(InputError, match="refused") as refusal:
        read_checkpoint(tmp_path / "evil.pth")
    text = str(refusal.value)
    assert "join" in text  # what it holds is named
    assert "weights_only" not in text
    assert "safe_globals" not in text
    assert "\x1b" not in text


def test_the_trainer_writes_by_it(compose):
    from reid_lit.run.machine import make_trainer

    assert isinstance(make_trainer(compose("machine=cpu", "trainer=cpu")).strategy.checkpoint_io, WholeCheckpointIO)
