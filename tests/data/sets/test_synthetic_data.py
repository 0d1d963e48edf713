import logging

import pytest

from reid_lit.data.feeding.loading import Loader
from reid_lit.data.feeding.samplers import ShuffleSampler
from reid_lit.data.sets import synthetic
from reid_lit.data.transforms.transform import Transform


def made(root):
    return synthetic.Synthetic(
        root=root,
        world="plaza",
        size="tiny",
        draw_seed=3,
        transform=Transform(size=[32, 16], interpolation="bilinear", train=[]),
        sampler=ShuffleSampler,
        loader=Loader(batch_size=4, test_batch_size=4, workers=0),
    )


def test_set_is_drawn_where_it_is_named_and_read_as_market(tmp_path, plant, monkeypatch, caplog):
    def write(root, *, world, size, seed, workers, progress):
        assert (world, size, seed) == ("plaza", "tiny", 3)
        names = ["bounding_box_train/0002_c1s1_000451_03.jpg", "query/0001_c1s1_001051_00.jpg"]
        plant(root, [*names, "bounding_box_test/0001_c3s1_000301_01.jpg"])
        for done in (1, 150, 151, 777, 1000):
            progress(done, 1000)
        return root

    monkeypatch.setattr(synthetic, "write", write)
    data = made(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"plaza-tiny-3 has not been drawn yet; a training run"):
        data.setup()
    with caplog.at_level(logging.INFO):
        data.prepare_data()
    assert [r.message.split(": ")[1] for r in caplog.records] == [
        "150 of 1000 images",
        "777 of 1000 images",
        "1000 of 1000 images",
    ]
    data.setup()
    assert data.split.name == "synthetic_plaza_3"  # a drawing of another seed has a name of its own
    assert data.split.train[0].path.is_relative_to(tmp_path / "plaza-tiny-3")


def test_drawn_set_is_read(tmp_path):
    data = made(tmp_path)
    data.prepare_data()
    data.setup()
    assert data.persons > 1
    assert len(next(iter(data.train_dataloader())).image) == 4
