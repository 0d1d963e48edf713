"""The scores of each query in a run's folder: their means are the run's scores."""

from pathlib import Path

import numpy as np
import pytest
import torch

from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.scores import evaluate
from reid_lit.records import Shot, Split
from reid_lit.run.folder import Run
from reid_lit.run.query_scores import hash_of, read_query_scores
from reid_lit.testing.kept_queries import keep_queries

PERSONS, CAMERAS, QUERIES, GALLERY = 6, 3, 40, 60


@pytest.fixture
def case():
    generator = torch.Generator().manual_seed(3)

    def draw(high, size):
        return torch.randint(high, (size,), generator=generator)

    lists = Lists(draw(PERSONS + 1, QUERIES), draw(CAMERAS, QUERIES), draw(PERSONS, GALLERY), draw(CAMERAS, GALLERY))
    embeddings = [torch.randn(size, 4, generator=generator) for size in (QUERIES, GALLERY)]
    shots = tuple(
        Shot(Path("query") / f"{place:04}.jpg", person, camera)
        for place, (person, camera) in enumerate(
            zip(lists.query_person.tolist(), lists.query_camera.tolist(), strict=True)
        )
    )
    return embeddings, lists, Split(name="corridor_split_2", train=(), query=shots, gallery=())


def kept(case, folder, *, name="corridor", average="", **protocol):
    embeddings, lists, split = case
    result = evaluate(Ranker(*embeddings, lists, Protocol(**protocol)))
    keep_queries(Run(folder), split, result, {"row": name, "average": average, "split_id": 2})
    return result


def test_means_over_queries_are_the_scores(case, tmp_path):
    result = kept(case, tmp_path)
    assert int((~result.queries.valid).sum()) > 0  # a person of the queries is not in the gallery
    (file,) = read_query_scores(tmp_path, "corridor")
    assert (tmp_path / "queries" / "corridor_split_2.safetensors").stat().st_size < 60 * QUERIES
    for metric, score in result.scores.items():
        assert np.nanmean(file.values(metric)) == pytest.approx(score, abs=1e-7), metric
    assert {"rank1", "rank20", "mAP", "mINP", "rank1_nd", "mAP_nd"} <= set(result.scores)
    assert np.isnan(file.values("mAP")).tolist() == (~result.queries.valid).tolist()
    assert file.values("R") is None
    assert file.values("mINP_nd") is None


def test_draws_of_a_single_gallery_shot(case, tmp_path):
    result = kept(case, tmp_path, single_gallery_shot=7)
    (file,) = read_query_scores(tmp_path, "corridor")
    for metric, score in result.scores.items():
        assert np.nanmean(file.values(metric)) == pytest.approx(score, abs=1e-7), metric
    assert file.values("mAP") is None


def test_a_row_is_found_by_its_name_or_that_of_its_average_in_all_splits(case, tmp_path):
    kept(case, tmp_path / "split_1", average="both")
    kept(case, tmp_path / "split_2", average="both")
    kept(case, tmp_path / "split_2", name="other")
    assert len(read_query_scores(tmp_path, "both")) == 1  # the file of split 2 was written anew, by another test
    assert [file.row for file in read_query_scores(tmp_path, "other")] == ["other"]
    assert read_query_scores(tmp_path, "none") == []


def test_a_hash_is_of_names_persons_and_cameras_and_not_of_the_folder(case):
    shots = case[-1].query
    moved = [Shot(Path("elsewhere") / shot.path.name, shot.person_id, shot.camera_id) for shot in shots]
    other = [*shots[:-1], Shot(shots[-1].path, shots[-1].person_id + 1, shots[-1].camera_id)]
    assert hash_of(shots) == hash_of(moved)
    assert len({hash_of(shots), hash_of(other), hash_of(shots[::-1])}) == 3
