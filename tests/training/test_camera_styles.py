"""``python -m reid_lit.camstyle``: from a data set to images in the styles of its cameras."""

import shutil

import pytest
from PIL import Image

from reid_lit import camstyle as command_module
from reid_lit.data.fake_folder import begin, done, pair_folder, record, set_done
from reid_lit.data.fakes import FOLDER, SOURCES, read_fakes
from reid_lit.jobs.lock import give_back, take
from reid_lit.run.datasets import make_data
from reid_lit.training import camera_styles
from reid_lit.training.camera_styles import make_all
from reid_lit.training.style_plan import hours
from reid_lit.training.style_work import find_work

SMALL = (
    "dataset.size=tiny", "images.size=[16,8]", "images.load=[18,9]", "translation.generator.channels=2",
    "translation.generator.blocks=1", "translation.discriminator.channels=2", "translation.discriminator.layers=1",
    "translation.held_epochs=1", "translation.falling_epochs=1", "machine.accelerator=cpu", "machine.progress_bar=false",
)  # fmt: skip
PAIRS = ["1-2", "1-3", "2-3"]
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning"),  # Lightning 2.6 with torch 2.15
    pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists"),
]


@pytest.fixture
def work_of(compose, drawn, tmp_path):
    """Makes the work of a command on the tiny set, whose images go into a folder of the test's own."""

    def made(*words):
        out = tmp_path / "fakes"
        return find_work(compose(*SMALL, f"data_root={drawn}", f"out={out}", *words, config_name="camstyle"))

    return made


def files(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*_fake_*.jpg")}


def size(file):
    with Image.open(file) as image:
        return image.size


def test_every_image_is_made_in_the_style_of_each_other_camera_once_and_trained_on(work_of, compose, drawn, caplog):
    work = work_of()
    own = {shot.path: shot.path.read_bytes() for shot in work.shots}
    with caplog.at_level("INFO"):
        assert make_all(work) == []
    assert [pair.name for pair in work.pairs] == PAIRS
    assert "cameras 1-2 (pair 1 of 3): done; identity loss" in caplog.text
    expected = {
        f"{shot.path.stem}_fake_{shot.camera_id + 1}to{to + 1}.jpg"
        for shot in work.shots for to in work.cameras if to != shot.camera_id
    }  # fmt: skip
    made = files(work.folder)
    assert set(made) == expected
    assert {size(work.folder / name) for name in made} == {size(work.shots[0].path)}
    assert {path: path.read_bytes() for path in own} == own
    assert set((work.folder / SOURCES).read_text().split()) == {str(shot.path) for shot in work.shots}
    assert not list(work.folder.glob("generators/*/last.ckpt"))  # it has done its work
    facts = done(work.folder, "1-2")
    assert facts["epochs"] == 2
    assert facts["identity_loss"]["before"] != facts["identity_loss"]["after"]
    data = make_data(compose("dataset.size=tiny", f"data_root={drawn}", f"dataset.fakes={work.folder}"))
    data.setup("fit")
    assert len(data.split.train) == len(work.shots) * len(work.cameras)
    assert data.fakes_made_from == {str(shot.path) for shot in work.shots}

    stamps = {path: path.stat().st_mtime_ns for path in work.folder.glob("*.jpg")}
    assert make_all(work_of()) == []  # all is done: nothing is done again
    assert {path: path.stat().st_mtime_ns for path in work.folder.glob("*.jpg")} == stamps


def test_a_pair_that_was_killed_goes_on_and_ends_with_the_same_images(work_of, monkeypatch):
    make_all(work := work_of("pairs=[1-2]"))
    expected = files(work.folder)
    shutil.rmtree(work.folder)

    class KilledError(Exception):
        pass

    class Killing(camera_styles.Told):
        def on_train_epoch_end(self, trainer, pl_module):
            super().on_train_epoch_end(trainer, pl_module)
            if trainer.current_epoch == 1:
                raise KilledError

    monkeypatch.setattr(camera_styles, "Told", Killing)
    with pytest.raises(KilledError):
        make_all(work_of("pairs=[1-2]"))
    place = pair_folder(work.folder, "1-2")
    assert (place / "last.ckpt").is_file()
    monkeypatch.undo()
    assert [(pair.name, left) for pair, left, _ in hours(work_of())] == [("1-2", 1), ("1-3", 2), ("2-3", 2)]

    def half(*_, **__):
        (work.folder / "half_fake_1to2.jpg").write_bytes(b"")
        raise KilledError

    monkeypatch.setattr(camera_styles, "write_images", half)
    with pytest.raises(KilledError):
        make_all(work_of("pairs=[1-2]"))
    monkeypatch.undo()
    (work.folder / "half_fake_1to2.jpg").unlink()
    assert done(work.folder, "1-2") is None
    make_all(work_of("pairs=[1-2]"))
    assert files(work.folder) == expected


def test_a_folder_that_is_not_finished_is_not_trained_on(work_of):
    make_all(work := work_of("pairs=[1-2]"))
    with pytest.raises(
        ValueError, match=r"^fakes=.*: 2 of its 3 pairs of cameras are not done, such as 1-3; python -m"
    ):
        read_fakes(work.folder, work.shots)


def test_another_process_s_pair_is_passed_over(work_of):
    place = pair_folder((work := work_of("pairs=[2-3]")).folder, "2-3")
    place.mkdir(parents=True)
    lock = take(place)
    try:
        assert make_all(work) == ["2-3"]
    finally:
        give_back(lock)
    assert done(work.folder, "2-3") is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("pairs=[1-9]",), r"^pairs=\['1-9'\]: the pairs of cameras are 1-2, 1-3, 2-3$"),
        (
            ("images.size=[18,8]", "images.load=[18,9]"),
            r"^images.size=\[18, 8\]: sides have to be multiples of 4, 8 or more",
        ),
        (("images.size=[16,4]",), r"^images.size=\[16, 4\]: .*fewer translation.discriminator.layers"),
        (("machine.devices=2",), r"^machine.devices=2: a pair of cameras is trained on one device; start the same"),
        (("trainer.precision=16-mixed",), r"^trainer.precision=16-mixed needs a GPU"),
    ],
)
def test_what_cannot_be_made_is_said_before_any_training(work_of, words, message):
    with pytest.raises(ValueError, match=message):
        work_of(*words)


def test_one_camera_has_no_other_style(compose, tmp_path, drawn):
    source = next((drawn / "synthetic" / "plaza-tiny-0" / "bounding_box_train").iterdir())
    for person in range(2):
        for part in ("train", "query", "gallery"):
            place = tmp_path / "crops" / part / str(person + 2 * (part != "train"))
            place.mkdir(parents=True)
            shutil.copy(source, place / f"{part}{person}.jpg")
    config = compose("dataset=folder", f"dataset.root={tmp_path}/crops", *SMALL[1:], config_name="camstyle")
    with pytest.raises(ValueError, match=r"by 1 camera, and a style is learnt from two cameras or more"):
        find_work(config)


def test_the_data_set_s_own_folder_is_none_for_them(work_of, drawn):
    with pytest.raises(ValueError, match=r"^out=.*bounding_box_train: holds images of the data set"):
        work_of(f"out={drawn}/synthetic/plaza-tiny-0/bounding_box_train")


def test_a_folder_of_other_images_or_settings_is_left_alone(tmp_path):
    (tmp_path / "a_fake_1to2.jpg").write_bytes(b"x")
    with pytest.raises(FileExistsError, match=r"^out=.*: holds 1 image not made by this command, such as a_fake"):
        begin(tmp_path, settings={"a": 1}, pairs=["1-2"])
    folder = tmp_path / "new"
    begin(folder, settings={"a": 1, "b": [2]}, pairs=["1-2"])
    begin(folder, settings={"a": 1, "b": [2]}, pairs=["1-2"])
    with pytest.raises(FileExistsError, match=r"begun with other settings \(b\)"):
        begin(folder, settings={"a": 1, "b": [3]}, pairs=["1-2"])
    set_done(folder, "1-2", {"digest": "x"})
    before = record(folder)
    set_done(folder, "1-2", {"digest": "y"})
    assert record(folder) != before
    (folder / "camstyle.json").write_text("{")
    with pytest.raises(ValueError, match="damaged"):
        record(folder)


def test_the_command_plans_makes_and_draws(work_of, compose, drawn, tmp_path, capsys):
    out = tmp_path / "fakes"
    words = (*SMALL, f"data_root={drawn}", f"out={out}", "dataset.fakes=anything", "pairs=[1-2]", "examples=4")
    command_module.camstyle(compose(*words, "plan=true", config_name="camstyle"))
    said = " ".join(capsys.readouterr().out.split())
    assert "all pairs: about" in said
    assert "hours on this machine" in said
    assert "168 images of about" in said
    assert not out.exists()
    command_module.camstyle(compose(*words, config_name="camstyle"))
    said = " ".join(capsys.readouterr().out.split())
    assert "not done: 1-3, 2-3; pairs=all makes them" in said
    assert size(out / "generators" / "examples.png")[1] > 4 * 256
    assert "examples:" in said


def test_the_disk_is_asked_for_room(work_of, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(OSError, match=r"^out=.*: the images take about .* MB, and 0 MB are free"):
        make_all(work_of())


def test_no_word_of_the_command_changes_the_authors_values(compose):
    config = compose(config_name="camstyle")
    assert (list(config.images.size), list(config.images.load), config.images.batch_size) == ([256, 256], [286, 286], 1)
    values = config.translation
    assert (values.generator.channels, values.generator.blocks, values.pool_size) == (64, 9, 50)
    assert (values.cycle_weight, values.identity_weight, values.lr, values.beta1) == (10.0, 0.5, 2e-4, 0.5)
    assert (values.held_epochs, values.falling_epochs) == (30, 20)
    assert FOLDER == "bounding_box_train_camstyle"
