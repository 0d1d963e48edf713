"""The service over HTTP: each promise of its requests once."""

import hashlib
import io
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import torch
from PIL import Image
from tests.serve.conftest import drawn_crop, with_token

from reid_lit.errors import FailedError
from reid_lit.gallery.lance import LanceEngine
from reid_lit.safeguards.audit import AuditLog
from reid_lit.serve.batching import SharedEmbedder, passes_of
from reid_lit.serve.sharing import Together


def test_what_is_enrolled_is_found_listed_and_erased(service):
    client = service()
    for seed, camera in enumerate(("door", "yard", "door")):
        fields = {"person": f"p{seed}", "camera": camera, "time": f"2026-11-0{seed + 1}"}
        status, said, _ = client.send("/enrol", drawn_crop(seed), **fields)
        assert (status, said["added"], said["known"], said["refused"]) == (200, 1, 0, [])
    assert client.send("/enrol", drawn_crop(0))[1]["known"] == 1
    status, said, _ = client.send("/query", ("a.png", drawn_crop(1)), drawn_crop(2), top=2, thumbnails=True)
    assert status == 200
    assert [answer["query"] for answer in said["answers"]] == ["a.png", "crop1.png"]
    best = said["answers"][0]["hits"][0]
    assert (best["person"], best["score"], best["match"]["answer"]) == ("p1", pytest.approx(1, abs=1e-5), "same")
    assert re.fullmatch(r"upload:[0-9a-f]{64}", best["path"])
    assert best["thumbnail"].startswith("data:image/jpeg;base64,")
    assert len(said["answers"][0]["hits"]) == 2
    (answer,) = client.send("/query", drawn_crop(1), camera="door", since="2026-11-02")[1]["answers"]
    assert [hit["person"] for hit in answer["hits"]] == ["p2"]
    assert len(client.send("/query", drawn_crop(1), drawn_crop(2), track=True)[1]["answers"]) == 1
    assert [row["person"] for row in client.get("/list", camera="door")[1]["rows"]] == ["p0", "p2"]
    assert client.post("/erase")[0] == 422
    assert client.post("/erase", person=["p1"])[1] == {"erased": 1, "images": 2}
    assert client.post("/verify")[1] == {"faults": []}
    assert client.get("/about")[1]["images"] == 2


def test_uploads_of_one_name_are_told_apart(service):
    client = service()
    images = [("image.png", drawn_crop(seed)) for seed in range(3)]  # as a clipboard calls each
    said = client.send("/enrol", *images)[1]
    expected = [f"upload:{hashlib.sha256(content).hexdigest()}" for _, content in images]
    assert (said["added"], list(said["paths"].values())) == (3, expected)
    rows = client.get("/list")[1]["rows"]
    assert [row["path"] for row in rows] == [f"upload:{row['id']}" for row in rows]


def test_an_upload_that_is_no_crop_is_refused_in_a_line(service):
    client = service(sizes={"max_pixels": 5000})
    bomb = io.BytesIO()
    Image.new("1", (9000, 9000)).save(bomb, "PNG")
    cases = {
        b"no image": "no image that can be read",
        drawn_crop(0)[:200]: "not a readable image",
        drawn_crop(0, size=(1, 1)): "1 × 1 pixels; give one of 8 or more",
        drawn_crop(0, size=(100, 51)): "100 × 51 pixels, and max_pixels=5,000",
        bomb.getvalue(): "9,000 × 9,000 pixels",
    }
    for content, words in cases.items():
        for path in ("/query", "/enrol"):
            status, said, _ = client.send(path, content)
            assert status == 422
            assert words in said["detail"]
            assert "\n" not in said["detail"]
    status, said, _ = client.send("/enrol", drawn_crop(0), ("bad.png", b"no image"))
    assert (status, said["added"]) == (200, 1)
    assert said["refused"][0].startswith("bad.png: ")
    assert client.send("/query", *[drawn_crop(0)] * 5)[0] == 422
    assert client.send("/query", drawn_crop(0) + b"0" * 200_000)[0] == 413
    assert client.send("/query")[0] == 422
    assert client.send("/query", drawn_crop(0), top=0)[0] == 422
    assert client.send("/query", drawn_crop(0), since="yesterday")[1]["detail"].startswith("since=yesterday")
    assert client.get("/about")[1]["images"] == 1


def test_a_body_without_a_length_is_counted(service):
    client = service()
    head = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    status, said, _ = client.ask(
        "POST", "/enrol", iter([head, *[b"a" * 50_000] * 5]), "multipart/form-data; boundary=x"
    )
    assert (status, "max_upload_mb=0.2" in said["detail"]) == (413, True)


def test_an_upload_leaves_no_file(service, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a file was made")

    client = service()
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    monkeypatch.setattr("tempfile.NamedTemporaryFile", refuse)
    before = {path for path in client.folder.rglob("*") if "vectors" not in path.parts}
    assert client.send("/query", drawn_crop(3, "BMP", size=(150, 300)))[0] == 200
    assert {path for path in client.folder.rglob("*") if "vectors" not in path.parts} == before


def test_tokens_roles_rates_and_purpose_decide_and_are_logged(service, tmp_path):
    audit = tmp_path / "keys"
    client = service(
        tokens="required",
        audit=audit,
        purpose="required",
        top=3,
        below_threshold="withheld",
        limits={"query": "2/hour"},
    )
    enroller, asker = with_token(client, "in", "enrol"), with_token(client, "out", "query")
    late = with_token(client, "late", "query", expires=datetime.now(UTC) - timedelta(days=1))
    assert enroller.send("/enrol", drawn_crop(0), person="p0")[0] == 200
    assert client.send("/query", b"no image")[0] == 401  # before the image is looked at
    status, said, headers = replace(client, token="x").send("/query", drawn_crop(0))
    assert (status, headers["www-authenticate"]) == (401, "Bearer")
    assert "Authorization: Bearer" in said["detail"]
    assert "was expired" in late.send("/query", drawn_crop(0))[1]["detail"]
    assert enroller.send("/query", drawn_crop(0))[0] == 403
    status, said, _ = asker.send("/query", drawn_crop(0))
    assert (status, "X-Purpose" in said["detail"]) == (400, True)
    asker = replace(asker, purpose="case%20%C3%A4")
    assert asker.send("/query", drawn_crop(0), top=4)[0] == 400
    assert asker.send("/query", drawn_crop(0))[1]["answers"][0]["hits"][0]["person"] == "p0"
    assert asker.send("/query", drawn_crop(0))[0] == 200
    status, said, headers = asker.send("/query", drawn_crop(0))
    assert status == 429
    assert 3000 < int(headers["retry-after"]) <= 3601
    assert asker.get("/session")[1] | {"expires": None} == {
        "who": "out", "roles": ["query"], "acts": ["query"], "expires": None,
    }  # fmt: skip
    assert asker.get("/audit")[0] == 403
    reader = with_token(client, "reader", "audit")
    lines = reader.get("/audit", act="query", state="done")[1]["shown"]
    assert [(line["who"], line["purpose"], line["queries"]) for line in lines] == [("out", "case ä", 1)] * 2
    refused = reader.get("/audit", state="refused")[1]["shown"]
    assert [line["who"] for line in refused] == ["unknown", "unknown", "unknown", "in", "out", "out", "out", "out"]
    assert reader.post("/verify")[1] == {"faults": []}
    assert reader.get("/audit", number=1)[1]["lines"] > 1


def test_requests_of_other_sites_and_names_are_refused(service):
    client = service()
    assert client.ask("GET", "/about", headers={"Origin": "http://elsewhere.example"})[0] == 403
    assert client.ask("GET", "/about", headers={"Origin": f"http://127.0.0.1:{client.port}"})[0] == 200
    assert client.ask("GET", "/about", headers={"Host": "elsewhere.example"})[0] == 421
    assert client.ask("GET", "/about", headers={"Host": "["})[0] == 421
    assert client.ask("GET", "/about", headers={"Origin": "http://["})[0] == 403
    assert client.ask("GET", "/about", headers={"Host": "127.0.0.2:80"})[0] == 200
    _, _, headers = client.get("/")
    assert "default-src 'none'; script-src 'self'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"


def test_images_of_concurrent_requests_share_a_forward_pass(service):
    client = service(sizes={"wait": 1.0})
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda seed: client.send("/query", drawn_crop(seed)), range(8)))
    assert [status for status, _, _ in answers] == [200] * 8
    text = client.get("/metrics")[1]
    assert "reid_images_total 8.0" in text
    assert "reid_batch_images_count 1.0" in text
    assert 'reid_requests_total{route="/query",status="200"} 8.0' in text


def test_queries_that_are_answered_together_are_each_answered_and_logged(service, tmp_path, monkeypatch):
    client = service(sizes={"wait": 1.0}, audit=tmp_path / "keys")
    client.send("/enrol", *[drawn_crop(seed) for seed in range(3)])
    writes = []
    add = AuditLog.add
    monkeypatch.setattr(AuditLog, "add", lambda self, *records: (writes.append(len(records)), add(self, *records)))
    images = [drawn_crop(0), b"no image", drawn_crop(1), drawn_crop(2), drawn_crop(0), drawn_crop(1)]
    tops = [1, 1, 2, 1, 99, 0]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda image, top: client.send("/query", image, top=top), images, tops))
    assert [status for status, _, _ in answers] == [200, 422, 200, 200, 200, 422]
    numbers = [[hit["number"] for hit in said["answers"][0]["hits"]] for status, said, _ in answers if status == 200]
    assert [found[0] for found in numbers] == [0, 1, 2, 0]
    assert [len(found) for found in numbers] == [1, 2, 1, 3]
    lines = client.get("/audit", act="query")[1]["shown"]
    assert sorted(line["state"] for line in lines) == ["done"] * 4 + ["failed"] * 2
    assert max(writes) > 1


def test_without_its_line_in_the_log_no_query_is_answered(service, tmp_path, monkeypatch):
    client = service(audit=tmp_path / "keys")
    client.send("/enrol", drawn_crop(0))

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(AuditLog, "add", full)
        status, said, _ = client.send("/query", drawn_crop(0))
        assert (status, said["detail"].partition(";")[0]) == (507, "the disk is full")
    assert client.send("/query", drawn_crop(0))[0] == 200


def test_a_large_upload_is_answered_as_a_small_one(service, monkeypatch):
    client = service()
    client.send("/enrol", drawn_crop(0), drawn_crop(1))
    small = client.send("/query", drawn_crop(1))[1]
    monkeypatch.setattr("reid_lit.serve.routes.LARGE", 10)
    large = client.send("/query", drawn_crop(1))[1]
    assert [hit["number"] for hit in large["answers"][0]["hits"]] == [1, 0]
    assert [hit["number"] for hit in small["answers"][0]["hits"]] == [1, 0]


@pytest.mark.parametrize("passes", [1, 2])
def test_a_shared_embedder_gives_each_caller_its_own(calibrated_run, passes):
    from reid_lit import load

    alone = load(calibrated_run)
    images = [drawn_crop(seed) for seed in range(12)]
    expected = alone(images)
    batches = []
    shared = SharedEmbedder(
        load(calibrated_run),
        batch_size=5,
        passes=passes,
        wait=0.5,
        check=lambda _: None,
        tell=lambda size, _: batches.append(size),
    )
    parts = [images[:2], images[2:9], images[9:10], images[10:]]
    with ThreadPoolExecutor(4) as pool:
        found = torch.cat(list(pool.map(shared, parts)))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert sum(batches) == 12
    assert max(batches) <= 5
    assert len(batches) < 12
    shared.model.embed = None  # what fails is told to whoever waits, and the next are answered
    with pytest.raises(TypeError):
        shared(images[:1])
    shared.stop()
    with pytest.raises(FailedError, match="is ending"):
        shared(images[:1])


def test_passes_go_beside_each_other_and_share_the_cores(calibrated_run, monkeypatch):
    from reid_lit import load

    images = [drawn_crop(seed) for seed in range(20)]
    expected = load(calibrated_run)(images)
    embed, meeting, sizes = SharedEmbedder.__mro__[1].embed_prepared, threading.Barrier(2), []

    def met(self, images):
        sizes.append(len(images))
        meeting.wait(30)
        return embed(self, images)

    monkeypatch.setattr(SharedEmbedder.__mro__[1], "embed_prepared", met)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    taken = []
    monkeypatch.setattr(torch, "set_num_threads", taken.append)
    shared = SharedEmbedder(
        load(calibrated_run), batch_size=64, passes=2, wait=0.0, check=lambda _: None, tell=lambda *_: None
    )
    torch.testing.assert_close(shared(images), expected, rtol=1e-4, atol=1e-5)
    assert sizes == [10, 10]
    assert taken == [1, 1]
    shared.stop()


def test_a_few_images_alone_take_all_cores(calibrated_run, monkeypatch):
    from reid_lit import load

    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    taken = []
    monkeypatch.setattr(torch, "set_num_threads", taken.append)
    embedder = load(calibrated_run)
    assert passes_of(embedder) == 2
    shared = SharedEmbedder(embedder, batch_size=64, wait=0.0, check=lambda _: None, tell=lambda *_: None)
    shared([drawn_crop(seed) for seed in range(3)])
    assert taken == [2]
    shared.stop()
    embedder.model.compute_by("onnx", lambda images: images)
    assert passes_of(embedder) == 1


def test_queries_at_once_go_in_parts_beside_each_other(service, monkeypatch):
    monkeypatch.setattr("reid_lit.serve.batching.passes_of", lambda _: 2)
    client = service(sizes={"wait": 1.0})
    client.send("/enrol", drawn_crop(0))
    embed, sizes = SharedEmbedder.__mro__[1].embed_prepared, []
    monkeypatch.setattr(
        SharedEmbedder.__mro__[1],
        "embed_prepared",
        lambda self, images: (sizes.append(len(images)), embed(self, images))[1],
    )
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda seed: client.send("/query", drawn_crop(seed)), range(20)))
    assert {status for status, _, _ in answers} == {200}
    assert sum(sizes) == 20
    assert len(sizes) > 1


def test_facts_that_are_kept_go_with_the_row(service, monkeypatch):
    client = service()
    client.send("/enrol", drawn_crop(0), person="a")
    client.send("/enrol", drawn_crop(1), person="b")
    readings = []
    numbered = LanceEngine.numbered
    monkeypatch.setattr(LanceEngine, "numbered", lambda *given: (readings.append(given[1]), numbered(*given))[1])

    def persons():
        answer = client.send("/query", drawn_crop(0))[1]["answers"][0]
        return [hit["person"] for hit in answer["hits"]]

    assert [persons(), persons()] == [["a", "b"], ["a", "b"]]
    assert len(readings) == 1
    assert client.post("/erase", person=["a"])[0] == 200
    assert persons() == ["b"]
    client.send("/enrol", drawn_crop(0), person="c")
    assert persons() == ["c", "b"]


def test_health_answers_while_all_wait_for_the_model(service, monkeypatch):
    go = threading.Event()
    client = service()
    embed = SharedEmbedder.__mro__[1].embed_prepared

    def slow(self, images):
        assert go.wait(30)
        return embed(self, images)

    monkeypatch.setattr(SharedEmbedder.__mro__[1], "embed_prepared", slow)
    with ThreadPoolExecutor(12) as pool:
        waiting = [pool.submit(client.send, "/query", drawn_crop(seed)) for seed in range(12)]
        assert client.get("/health")[:2] == (200, {"status": "ok"})
        assert not any(each.done() for each in waiting)
        go.set()
        assert {each.result()[0] for each in waiting} == {200}


def test_requests_are_described_without_another_host(service):
    client = service()
    status, page, _ = client.get("/docs")
    assert status == 200
    assert not re.search(r"(src|href)=.?https?:", page)
    assert client.get("/card")[1].startswith("---\n")
    for path in client.get("/openapi.json")[1]["paths"]:
        assert f"{path}</code>" in page
    assert client.get("/nothing")[1] == {"detail": "no /nothing; /docs lists what there is"}


def test_a_full_disk_is_said(service, monkeypatch):
    client = service()

    def full(*_):
        raise RuntimeError("LanceError(IO): No space left on device (os error 28)")

    monkeypatch.setattr("reid_lit.gallery.lance.LanceEngine.add", full)
    status, said, _ = client.send("/enrol", drawn_crop(0))
    assert (status, said["detail"].partition(";")[0]) == (507, "the disk is full")
    assert client.send("/query", drawn_crop(0))[0] == 200


def test_who_comes_while_others_are_answered_goes_with_the_next_and_fails_alone():
    go, batches = threading.Event(), []

    def halved(items):
        batches.append(items)
        assert go.wait(30)
        if any(item % 2 for item in items):
            raise ValueError(items)
        return [item // 2 for item in items]

    together = Together(halved)
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(together, 0)
        while not batches:
            pass
        others = [pool.submit(together, item) for item in (2, 4, 5, 6)]
        while len(together._waiting) < 4:
            pass
        go.set()
        assert first.result() == 0
        assert [each.result() for each in (others[0], others[1], others[3])] == [1, 2, 3]
        with pytest.raises(ValueError, match=r"\[5\]"):
            others[2].result()
    assert sorted(batches[1]) == [2, 4, 5, 6]


def test_queries_beside_enrolments_and_erasures_are_answered_truly(service):
    client = service()
    for seed in range(4):
        client.send("/enrol", drawn_crop(seed), person=f"p{seed}")

    def change(seed):
        client.send("/enrol", drawn_crop(100 + seed), person="passing")
        return client.post("/erase", person=["passing"])[0]

    def ask(seed):
        where = {"person": f"p{seed % 4}"} if seed % 2 else {}
        return client.send("/query", drawn_crop(seed % 4), top=1 + seed % 3, **where)[1]["answers"][0]["hits"][0][
            "person"
        ]

    with ThreadPoolExecutor(10) as pool:
        changes = [pool.submit(change, seed) for seed in range(4)]
        found = list(pool.map(ask, range(24)))
        assert {each.result() for each in changes} == {200}
    assert found == [f"p{seed % 4}" for seed in range(24)]
