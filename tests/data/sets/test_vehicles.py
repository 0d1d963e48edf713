"""VeRi-776 and VehicleID: who is searched among whom."""

from types import SimpleNamespace

import pytest

from reid_lit.data.sets import vehicleid, veri776


def test_veri_is_read_as_market(tmp_path):
    root = veri776.SAMPLE.write(tmp_path / "VeRi")
    split = veri776.read(root)
    assert split == veri776.read(tmp_path)
    assert [[(s.person_id, s.camera_id) for s in shots] for shots in (split.train, split.query, split.gallery)] == [
        [(1, 0), (1, 19), (776, 10)],
        [(2, 1)],
        [(2, 1), (2, 2), (5, 8)],
    ]
    everyone = veri776.read(root, train_on="all")
    assert [s.person_id for s in everyone.train] == [1, 1, 2, 2, 5, 776]  # the query, which is in the gallery too, once
    assert everyone.kind == split.kind == ("vehicle", "vehicles")
    (root / "image_train" / "0002_c001_00000001_0.jpg").touch()
    with pytest.raises(ValueError, match="is in training and in query or gallery"):
        veri776.read(root)


def test_veri_has_tracks_where_their_file_is_there(tmp_path):
    root = veri776.SAMPLE.write(tmp_path / "VeRi")
    assert veri776.read(root).notes == ("no test_track.txt",)
    (root / "image_query" / "0002_c003_00030670_0.jpg").write_bytes(b"")
    (root / "image_test" / "0002_c003_00030675_0.jpg").write_bytes(b"")
    lines = ["0002_c003_1 0002_c003_00030670_0.jpg 0002_c003_00030675_0.jpg ", "0005_c009_1 0005_c009_00051000_0.jpg "]
    (root / "test_track.txt").write_text("\n".join(lines))
    split = veri776.read(root)
    assert [shot.track_id for shot in split.query] == [None, 0]
    assert [shot.track_id for shot in split.gallery] == [None, 0, 0, 1]
    assert split.notes == ("tracks: 2, of 3 gallery images",)
    assert "VeRi/test_track.txt" in veri776.Veri776.parts(SimpleNamespace(root=tmp_path))
    (root / "test_track.txt").write_text("\n".join([*lines, "0005_c009_2 0005_c009_00051000_0.jpg"]))
    with pytest.raises(ValueError, match=r"1 line of .* twice.*line 3: 0005_c009_00051000_0\.jpg"):
        veri776.read(root)


def test_what_veri_lacks_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"VeRi-776: no image_train/ or image_test/ in .*image_query/"):
        veri776.read(tmp_path)
    with pytest.raises(ValueError, match="train_on='half': unknown"):
        veri776.read(tmp_path, train_on="half")


def test_ten_draws_of_one_gallery_image_of_each(tmp_path):
    root = vehicleid.SAMPLE.write(tmp_path / "VehicleID_V1.0")
    split = vehicleid.read(root)
    assert split == vehicleid.read(tmp_path) == vehicleid.read(root)
    assert [s.person_id for s in split.train] == [1, 1, 2, 2]
    assert [test.name for test in split.tests] == [f"vehicleid_800_draw_{draw}" for draw in range(10)]
    assert split.average == "vehicleid_800"
    for test in split.tests:
        assert [s.person_id for s in test.gallery] == [3, 4]
        assert [s.person_id for s in test.query] == [3, 3, 4]
        assert not {*test.query} & {*test.gallery}
        assert test.rules.camera_rule == "any_camera"
    assert len({test.gallery for test in split.tests}) > 1


def test_what_vehicleid_lacks_is_said(tmp_path):
    with pytest.raises(ValueError, match="test_vehicles=13164: unknown; choose one of 800, 1600, 2400"):
        vehicleid.read(tmp_path, test_vehicles=13164)
    root = vehicleid.SAMPLE.write(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"VehicleID: no test_list_2400\.txt in .*train_test_split"):
        vehicleid.read(root, test_vehicles=2400)
    lists = root / "train_test_split"
    (lists / "test_list_800.txt").write_text("0000010 1\n")
    with pytest.raises(ValueError, match="1 vehicle is in training and in query or gallery"):
        vehicleid.read(root)
    (lists / "test_list_800.txt").write_text("0000030 3\n\n0000031,3\n")
    with pytest.raises(
        ValueError,
        match=r"1 of 3 lines of .*test_list_800\.txt are not like VehicleID \(0000017 1\): line 3: 0000031,3",
    ):
        vehicleid.read(root)
    (lists / "test_list_800.txt").write_text("\n")
    with pytest.raises(FileNotFoundError, match=r"test_list_800\.txt lists no image"):
        vehicleid.read(root)
    (root / "image").rename(root / "images")
    problems = []
    vehicleid.read(root, report=problems.append)
    assert problems[0].fact.startswith("VehicleID: no image/ in ")
