import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from reid_lit.evaluation.lists import Lists
from reid_lit.evaluation.protocol import Protocol
from reid_lit.evaluation.ranker import Ranker
from reid_lit.evaluation.scores import evaluate
from reid_lit.evaluation.top import top
from reid_lit.pages.rankings import write_rankings
from reid_lit.records import Shot


def shots(folder, role, persons, cameras):
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number, (person, camera) in enumerate(zip(persons, cameras, strict=True)):
        path = folder / f"{role}_{number:02d}_p{person}.png"
        Image.new("RGB", (24, 60), (20 * (person % 12), 90, 12 * number % 255)).save(path)
        found.append(Shot(path, person, camera))
    return found


@pytest.fixture(scope="session")
def case(tmp_path_factory):
    """24 queries of 8 persons and 60 gallery images: three are junk, one file is gone, person 7 is not in the gallery."""
    folder = tmp_path_factory.mktemp("images")
    query = shots(folder, "query", [number % 8 for number in range(24)], [number // 8 for number in range(24)])
    persons = [-1 if number >= 57 else number % 7 for number in range(60)]
    gallery = shots(folder, "gallery", persons, [number % 3 for number in range(60)])
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(9, 6, generator=generator)
    embeddings = [
        centres[[shot.person_id for shot in side]] + 1.2 * torch.randn(len(side), 6, generator=generator)
        for side in (query, gallery)
    ]
    lists = Lists.of(query, gallery)
    result = evaluate(Ranker(*embeddings, lists, Protocol()))
    return query, gallery, lists, embeddings, result


@pytest.fixture
def run(case, tmp_path):
    """The folder of a run with results, rankings and a log; one gallery image's file is gone."""
    query, gallery, lists, embeddings, result = case
    folder = tmp_path / "a run"
    nearest = top(Ranker(*embeddings, lists, Protocol()), k=24, keep_junk=True)
    missing = [
        *gallery[:3],
        Shot(gallery[3].path.with_name("gone.png"), *(gallery[3].person_id, gallery[3].camera_id)),
        *gallery[4:],
    ]
    about = {"dataset": "made_up", "scores": result.scores, "stamp": result.stamp}
    write_rankings(
        folder / "pictures" / "made_up" / "rankings.json", query, missing, nearest, result.queries, k=12, about=about
    )
    stamp = {"protocol": "made_up", "notes": []} | result.stamp
    row = {"dataset": "made_up", "scores": result.scores, "stamp": stamp, "test_seconds": 1.0}
    (folder / "metrics.json").write_text(
        json.dumps({"name": "a </script> name", "seed": 0, "trained_on": "made_up", "results": [row]})
    )
    (folder / "log").mkdir()
    (folder / "log" / "metrics.csv").write_text("step,train/loss,lr-SGD\n1,2.5,\n1,,0.1\n2,2.0,\n2,,0.05\n")
    return folder


@pytest.fixture
def visit(browser):
    """Open a file; fails where the page asks for anything but files, or has an error."""
    pages, requests, errors = [], [], []

    def open_page(file, width=1280):
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.set_default_timeout(60_000)
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(Path(file).resolve().as_uri())
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert errors == []
    assert requests
    assert {url.split(":")[0] for url in requests} <= {"file", "data"}
