import hashlib
import pickle
import time

import pytest
import safetensors.torch
import timm
import torch

from reid_lit import network
from reid_lit.backbones import checkpoint, imagenet, weights
from reid_lit.backbones.timm import timm_backbone


def small():
    return timm_backbone(name="resnet18.tv_in1k", weights="none")


@pytest.fixture
def state():
    torch.manual_seed(1)
    return {
        key: torch.randn_like(v) if v.is_floating_point() else v for key, v in small().body.model.state_dict().items()
    }


def loads(path, state):
    body = timm_backbone(name="resnet18.tv_in1k", weights=str(path)).body.model
    torch.testing.assert_close(body.state_dict()["layer4.1.conv2.weight"], state["layer4.1.conv2.weight"])


@pytest.mark.parametrize("prefix", ["", "module.", "backbone.body.model.", "module.base."])
def test_a_file_with_any_usual_prefix_and_a_classifier_loads(tmp_path, state, prefix):
    file = tmp_path / "weights.pth"
    torch.save({"state_dict": {prefix + k: v for k, v in state.items()} | {"fc.weight": torch.zeros(1000, 512)}}, file)
    loads(file, state)


def test_safetensors_and_run_folders_load(tmp_path, state):
    safetensors.torch.save_file(state, tmp_path / "a.safetensors")
    loads(tmp_path / "a.safetensors", state)
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    torch.save(
        {"state_dict": {f"backbone.body.model.{k}": v for k, v in state.items()}},
        tmp_path / "run/checkpoints/last.ckpt",
    )
    loads(tmp_path / "run", state)


def test_another_architecture_is_refused_with_the_share_that_matched(tmp_path, state):
    file = tmp_path / "half.pth"
    torch.save({k: v for k, v in state.items() if not k.startswith("layer4")}, file)
    with pytest.raises(
        ValueError,
        match=r"weights=.*half.pth: \d+ of \d+ tensors of resnet18.tv_in1k matched \(2\d\.\d% .* another architecture\? choose the backbone of that file, or give none to train from scratch",
    ):
        timm_backbone(name="resnet18.tv_in1k", weights=str(file))


class Malicious:
    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


def test_a_pickle_with_code_is_refused_and_not_executed(tmp_path):
    file = tmp_path / "evil.pth"
    with file.open("wb") as stream:
        pickle.dump({"state_dict": Malicious()}, stream)
    with pytest.raises(ValueError, match=r"evil.pth: refused, since it is damaged or holds code"):
        checkpoint.read_checkpoint(file)
    torch.save({"state_dict": Malicious()}, file)
    with pytest.raises(ValueError, match=r"evil.pth: refused"):
        checkpoint.read_checkpoint(file)


def test_a_file_of_a_list_is_no_state_dict(tmp_path):
    torch.save([torch.ones(1)], tmp_path / "list.pth")
    with pytest.raises(ValueError, match=r"list\.pth: holds a list, not a state_dict; save model\.state_dict\(\)"):
        checkpoint.read_checkpoint(tmp_path / "list.pth")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"weights=.*nowhere.pth: there is no file .*nowhere.pth"):
        weights.read_state(tmp_path / "nowhere.pth")


def test_offline_is_settled_within_seconds_and_names_file_place_and_cures(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    start = time.perf_counter()
    with pytest.raises(FileNotFoundError) as error:
        timm_backbone(name="hrnet_w18.ms_aug_in1k", weights="imagenet")
    assert time.perf_counter() - start < 5
    for fact in (
        "timm/hrnet_w18.ms_aug_in1k/model.safetensors",
        str(tmp_path),
        "weights=imagenet: ",
        "give none to train from scratch, or a file or a run folder",
    ):
        assert fact in str(error.value)


def test_a_hanging_name_look_up_counts_as_offline(monkeypatch):
    monkeypatch.setattr("urllib.request.OpenerDirector.open", lambda *a, **k: time.sleep(1.0))
    start = time.perf_counter()
    assert (
        network.unreachable("http://example.invalid", seconds=0.1)
        == "no answer within 0.1 s; REID_NETWORK_SECONDS sets another limit"
    )
    assert time.perf_counter() - start < 0.8


def test_weights_that_only_a_release_has_are_looked_for_in_torchs_cache(monkeypatch, tmp_path):
    config = timm.get_pretrained_cfg("legacy_seresnet50.in1k")
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("reid_lit.backbones.imagenet.unreachable", lambda url: "no network")
    assert imagenet.imagenet_file(config) is None
    with pytest.raises(FileNotFoundError) as error:
        timm_backbone(name="legacy_seresnet50.in1k", weights="imagenet")
    for fact in (f"se_resnet50-ce0d4300.pth, is not in {tmp_path / 'checkpoints'}", config.url, "give none to train"):
        assert fact in str(error.value)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "se_resnet50-ce0d4300.pth").touch()
    imagenet.require_imagenet("legacy_seresnet50.in1k", config)
    assert imagenet.imagenet_file(config) == tmp_path / "checkpoints" / "se_resnet50-ce0d4300.pth"


def test_a_release_is_fetched_once_and_its_hash_checked(monkeypatch, tmp_path):
    source = tmp_path / "there"
    source.mkdir()
    (source / "net-12345678.pth").write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()[:8]
    (source / f"net-{digest}.pth").write_bytes(b"weights")
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    url = source.as_uri()
    assert imagenet.fetched("net", f"{url}/net-{digest}.pth").read_bytes() == b"weights"
    (source / f"net-{digest}.pth").unlink()
    assert imagenet.fetched("net", f"{url}/net-{digest}.pth").is_file()
    with pytest.raises(RuntimeError, match="invalid hash value"):
        imagenet.fetched("net", f"{url}/net-12345678.pth")
    assert not (tmp_path / "hub" / "checkpoints" / "net-12345678.pth").exists()


def test_a_file_that_leaves_a_batch_norm_at_its_start_is_refused(tmp_path, state):
    file = tmp_path / "folded.pth"
    torch.save({k: v for k, v in state.items() if not k.startswith("layer3.1.bn1")}, file)
    with pytest.raises(
        ValueError, match=r"\(100.0% of its values\); missing 4 .*All batch and instance norms must match"
    ):
        timm_backbone(name="resnet18.tv_in1k", weights=str(file))
