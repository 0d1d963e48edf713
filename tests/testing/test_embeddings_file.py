"""Embeddings as a file: what is written is read again, and what cannot be used is refused with the reason."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from reid_lit.command.replay import replayed
from reid_lit.evaluation.local_distance import LocalDistance
from reid_lit.evaluation.protocol import Protocol
from reid_lit.records import Moment, Rules, Shot
from reid_lit.run.evaluated import Evaluated
from reid_lit.run.folder import SCORING
from reid_lit.testing.embeddings_file import Embeddings, images_of, read, read_metadata, rows_of, write
from reid_lit.testing.provenance import Provenance, model_hash
from reid_lit.testing.rescoring import _laid_out

ORIGIN = Provenance(
    model="0" * 64, feature="embedding", flip=True, size=(256, 128), interpolation="bicubic", mean=(0.5, 0.4, 0.3),
    std=(0.2, 0.2, 0.1), precision="32-true",
)  # fmt: skip


def shots(folder, *numbers):
    return tuple(Shot(path=folder / f"Märkte {n}.jpg", person_id=n - 1, camera_id=n % 3) for n in numbers)


@pytest.fixture
def content(tmp_path):
    generator = torch.Generator().manual_seed(0)
    return Embeddings(
        origin=ORIGIN,
        name="market1501",
        shots={"query": shots(tmp_path, 1, 2), "gallery": shots(tmp_path, 0, 5, 6, 7)},
        embedding={name: torch.randn(size, 8, generator=generator) for name, size in (("query", 2), ("gallery", 4))},
        rules=Rules(name="own", ap="sklearn", single_gallery_shot=3),
        notes=("a note",),
        test={"row": "market1501", "split_id": 2, "average": "both"},
        evaluated=Evaluated(
            name="duke_hrnet", dataset="dukemtmc", option="softmax", scoring={"ap": "trapezoid", "crops": None}
        ),
    )


@pytest.fixture
def file(tmp_path, content):
    return write(tmp_path / "market.safetensors", content)


def changed(file, *, tensors=None, **metadata):
    """The file with other tensors or metadata."""
    with safe_open(file, "pt") as old:
        held, facts = {name: old.get_tensor(name) for name in old.keys()}, old.metadata()  # noqa: SIM118 - no mapping
    save_file(held | (tensors or {}), file, facts | metadata)
    return file


def test_what_is_written_is_read(file, content):
    again = read(file)
    for name in ("origin", "name", "rules", "test"):
        assert getattr(again, name) == getattr(content, name)
    assert again.shots == content.shots
    assert tuple(again.notes) == content.notes
    assert again.evaluated == content.evaluated
    assert all(torch.equal(again.embedding[name], content.embedding[name]) for name in content.embedding)
    assert again.split.query == content.shots["query"]
    assert again.split.rules == content.rules


def test_clothes_are_kept_where_they_are_known(tmp_path, content):
    worn = tuple(replace(shot, clothes_id=number or None) for number, shot in enumerate(content.shots["gallery"]))
    dressed = replace(content, shots={"query": content.shots["query"], "gallery": worn})
    file = write(tmp_path / "dressed.safetensors", dressed)
    assert read(file).shots == dressed.shots
    with pytest.raises(ValueError, match="4 persons, 4 cameras, 4 paths, 3 clothes of the gallery do not fit together"):
        read(changed(file, tensors={"gallery.clothes": torch.zeros(3, dtype=torch.int64)}))


def test_tracks_times_and_views_are_kept_where_they_are_known(tmp_path, content):
    taken = (Moment("b", 1.5), None, Moment("a", 2.0), Moment("b", 3.0))
    told = tuple(
        replace(shot, track_id=number or None, taken=moment)
        for number, (shot, moment) in enumerate(zip(content.shots["gallery"], taken, strict=True))
    )
    first, second = content.shots["query"]
    seen = (replace(first, taken=Moment("b", 0.5), view="side"), replace(second, view="front"))
    tracked = replace(content, shots={"query": seen, "gallery": (replace(told[0], view="back"), *told[1:])})
    file = write(tmp_path / "tracked.safetensors", tracked)
    assert read(file).shots == tracked.shots
    assert images_of(file, "gallery") == tracked.shots["gallery"]


def test_plain_images_are_a_list_of_their_own(tmp_path, content):
    images = {"images": shots(tmp_path, 3, 4)}
    file = write(
        tmp_path / "a" / "plain.safetensors", replace(content, shots=images, embedding={"images": torch.eye(2)})
    )
    assert read_metadata(file)["lists"] == ["images"]
    assert read(file).shots == images


def test_a_file_of_the_version_before_gives_the_evaluation_of_its_words(file):
    words = ["+experiment=market_softmax", "evaluation.ap=step", "seed=3", "evaluation.crops=[224,112]"]
    changed(file, version="1", overrides=json.dumps(words))
    evaluated = read_metadata(file)["evaluated"]
    assert (evaluated.name, evaluated.dataset, evaluated.option) == ("market_softmax", "market1501", "softmax")
    assert evaluated.scoring == {"ap": "step", "crops": [224, 112]}


def test_rows_of_a_file_are_read_piece_by_piece(file, content):
    rows = rows_of(file, "gallery")
    assert torch.equal(rows.read(1, 3), content.embedding["gallery"][1:3])
    assert torch.equal(rows.read(3, 9), content.embedding["gallery"][3:])


def test_the_metadata_are_json_that_others_can_read(file):
    with safe_open(file, "pt") as opened:
        metadata = opened.metadata()
        assert sorted(opened.keys()) == sorted(
            f"{name}.{what}" for name in ("query", "gallery") for what in ("embedding", "person", "camera", "paths")
        )
    assert json.loads(metadata["origin"]) == json.loads(json.dumps(asdict(ORIGIN)))
    assert metadata["version"] == "2"
    assert json.loads(metadata["evaluated"])["option"] == "softmax"


def test_a_run_is_replayed_from_its_embeddings(file):
    given = [f"embeddings={file}", "seed=4"]
    own = [
        "dataset=dukemtmc",
        "evaluation=softmax",
        "name=duke_hrnet",
        "evaluation.ap=trapezoid",
        "evaluation.crops=null",
    ]
    assert replayed(given) == [*own, *given]
    assert replayed([f"embeddings=[{file},{file}]"])[:5] == own
    assert replayed([*given, "evaluation=strong"]) == [
        "dataset=dukemtmc",
        "name=duke_hrnet",
        *given,
        "evaluation=strong",
    ]
    assert replayed(replayed(given)) == replayed(given)
    assert replayed(["embeddings=null"]) == ["embeddings=null"]


def test_an_addition_to_the_test_keeps_the_scoring_of_the_run_that_embedded(file, compose):
    words = replayed([f"embeddings={file}", "evaluation=verification"])
    own, added, strong = (
        compose(*asked, config_name="evaluate").evaluation
        for asked in (["+experiment=duke_hrnet"], ["evaluation=verification"], ["evaluation=strong"])
    )
    got = compose(*words, config_name="evaluate").evaluation
    assert {key: got[key] for key in SCORING} == {key: own[key] for key in SCORING}
    assert (own.ap, own.flip) != (strong.ap, strong.flip)
    assert {key for key in got if got[key] != own[key]} == {key for key in added if added[key] != strong[key]} != set()
    assert replayed(words) == words
    whole = replayed([f"embeddings={file}", "evaluation=standard"])
    assert compose(*whole, config_name="evaluate").evaluation == compose("evaluation=standard").evaluation


def test_the_hash_tells_weights_apart():
    state = {"b": torch.arange(6.0).view(2, 3), "a": torch.tensor(3), "c": torch.ones(2, dtype=torch.bfloat16)}
    known = model_hash(state)
    assert model_hash(dict(sorted(state.items()))) == known
    assert model_hash({name: value.clone().requires_grad_(value.is_floating_point()) for name, value in state.items()}) == known  # fmt: skip
    others = [
        state | {"b": state["b"].view(3, 2)},
        state | {"b": state["b"] + 1e-6},
        state | {"a": torch.tensor(4)},
        {("d" if name == "c" else name): value for name, value in state.items()},
    ]
    assert len({known, *map(model_hash, others)}) == 5


def cut(file):
    file.write_bytes(file.read_bytes()[:-7])


def nan(file):
    value = torch.ones(4, 8)
    value[2, 3], value[3, 0] = torch.nan, torch.inf
    changed(file, tensors={"gallery.embedding": value})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.unlink(), r"no embeddings at .*market\.safetensors; python -m reid_lit\.embed"),
        (cut, "damaged, cut short or no safetensors file"),
        (lambda file: file.write_text("PK" * 99), "damaged, cut short or no safetensors file"),
        (lambda file: file.write_bytes(b""), "damaged, cut short or no safetensors file"),
        (lambda file: save_file({"weight": torch.ones(2)}, file), "a safetensors file, but none of ours"),
        (lambda file: changed(file, version="3"), "format version 3, and this release reads 2"),
        (nan, r"2 of 4 gallery embeddings are not finite, the first at 2 \(.*Märkte 6\.jpg\)"),
        (
            lambda file: changed(file, tensors={"query.person": torch.tensor([1])}),
            "1 persons, 2 cameras, 2 paths of the query do not fit together",
        ),
        (
            lambda file: changed(file, tensors={"query.embedding": torch.ones(3, 8)}),
            "3 query embeddings of 2 images",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(file, damage, message):
    damage(file)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read(file)


def test_nothing_is_written_that_would_be_refused(tmp_path, content):
    broken = content.embedding | {"query": torch.tensor([[1.0], [torch.nan]])}
    with pytest.raises(ValueError, match="1 of 2 query embeddings are not finite, the first at 1"):
        write(tmp_path / "a.safetensors", replace(content, embedding=broken))
    assert not list(Path(tmp_path).iterdir())


@pytest.fixture
def striped(tmp_path, content):
    """Embeddings of 4 numbers, with two stripes of 2."""
    return write(
        tmp_path / "s.safetensors", replace(content, origin=replace(ORIGIN, local=("local", 4, 2)), rules=Rules())
    )


def scored(file, **local):
    """The stamp of a file, by a protocol."""
    settings = {"matching": "dmli", "feature": "local", "global_weight": 2.0, "local_weight": 1.0, "nearest": None}
    protocol = Protocol(camera_rule="any_camera", flip=True, local=LocalDistance(**settings | local) if local else None)
    content = read(file)
    laid_out = _laid_out(file, content.origin, protocol)
    return laid_out, content.without_stripes() if protocol.local is None else content


def test_stripes_are_stored_and_compared_or_left_out(striped):
    protocol, content = scored(striped, nearest=None)
    assert (protocol.local.whole, protocol.local.channels) == (4, 2)
    assert content.embedding["query"].shape == (2, 8)
    protocol, content = scored(striped)
    assert protocol.local is None
    assert (content.embedding["query"].shape, content.origin) == ((2, 4), ORIGIN)


def test_a_file_without_the_stripes_that_are_compared_is_refused(file, striped):
    with pytest.raises(ValueError, match=r"has no stripes, which evaluation\.local compares; .*evaluation=aligned"):
        scored(file, nearest=None)
    with pytest.raises(ValueError, match=r"has the stripes local, but evaluation\.local\.feature=local_pooled; set"):
        scored(striped, feature="local_pooled")
