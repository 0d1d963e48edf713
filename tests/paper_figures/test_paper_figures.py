"""The numbers that are drawn, compared with what they should be."""

import gzip
import logging
import struct

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from reid_lit.figures.series import running_mean
from reid_lit.paper_figures.digits import mnist, sklearn_digits
from reid_lit.paper_figures.features_2d import nearest_mean, outputs_of
from reid_lit.paper_figures.logs import labelled
from reid_lit.paper_figures.toy import ToyTraining
from reid_lit.paths import packaged
from reid_lit.run.folder import Run

OPTIONS = sorted(file.stem for file in (packaged("conf") / "figure").glob("*.yaml"))


@pytest.fixture
def draw(compose):
    def drawn(*overrides):
        config = compose(*overrides, config_name="figure")
        return instantiate(config.figure, _convert_="all")(config)

    return drawn


@pytest.mark.parametrize("name", OPTIONS)
def test_every_figure_composes_resolves_and_names_its_source(compose, name):
    config = compose(f"figure={name}", config_name="figure")
    OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert instantiate(config.figure).keywords.keys() == {key for key in config.figure if key[0] != "_"}
    first = (packaged("conf") / "figure" / f"{name}.yaml").read_text().splitlines()[0]
    assert ", Fig. " in first or "# in no paper: " in first


def strong(epoch):
    """Equation 1 of the Strong Baseline, epochs counted from 1."""
    if epoch <= 10:
        return 3.5e-4 * epoch / 10
    return 3.5e-4 if epoch <= 40 else 3.5e-5 if epoch <= 70 else 3.5e-6


def test_the_learning_rate_is_equation_1(draw):
    numbers = draw("figure=learning_rate", "+experiment=market_strong").numbers
    curves = numbers["learning_rate"]
    assert numbers["epoch"] == list(range(1, 121))
    assert curves["with warm-up"] == pytest.approx([strong(epoch) for epoch in range(1, 121)])
    assert curves["without warm-up"] == pytest.approx([strong(max(epoch, 10)) for epoch in range(1, 121)])


def test_the_learning_rate_of_a_schedule_by_steps(draw):
    numbers = draw(
        "figure=learning_rate", "scheduler=cosine", "optimizer=adam", "trainer.max_epochs=4", "figure.steps=10"
    ).numbers
    warm, cold = numbers["learning_rate"].values()
    assert len(warm) == len(cold) == len(numbers["epoch"]) == 40
    assert max(warm) == pytest.approx(3.5e-4)
    assert cold == pytest.approx(
        [3.5e-4 * (1 + np.cos(np.pi * step / 40)) / 2 for step in range(40)], rel=1e-2, abs=2e-5
    )
    assert warm[0] < cold[0]
    with pytest.raises(ValueError, match="StepLR has no warm-up; choose"):
        draw("figure=learning_rate")


def test_what_is_erased_is_what_the_numbers_say(draw, drawn):
    drawing = draw("figure=erasing", "transform=strong", "dataset.size=tiny", f"data_root={drawn}")
    boxes = drawing.numbers["erased_pixels"]
    assert len(boxes) == 5
    images = [axes.images[0].get_array() for axes in drawing.figure.axes]
    for box, before, after in zip(boxes, images[:5], images[5:], strict=True):
        inside = np.zeros(before.shape[:2], bool)
        inside[box["top"] : box["top"] + box["height"], box["left"] : box["left"] + box["width"]] = True
        np.testing.assert_array_equal(before[~inside], after[~inside])
        np.testing.assert_allclose(after[inside], [[0.596065, 0.558144, 0.49735]] * inside.sum(), atol=1e-6)
        assert 0.01 < inside.mean() < 0.45
    with pytest.raises(ValueError, match="has no erase; choose"):
        draw("figure=erasing", "dataset.size=tiny", f"data_root={drawn}")


@pytest.fixture
def run(tmp_path):
    """Make the folder of a run with the given rows of its log."""

    def make(name, header, rows, neck="bnneck", feature="embedding", val_persons=5):
        folder = tmp_path / name
        (folder / "log").mkdir(parents=True)
        (folder / ".hydra").mkdir()
        lines = [header, *(",".join(map(str, row)) for row in rows)]
        (folder / "log" / "metrics.csv").write_text("\n".join(lines) + "\n")
        choices = {"neck": neck, "dataset": "ward"}
        OmegaConf.save({"hydra": {"runtime": {"choices": choices}}}, folder / ".hydra" / "hydra.yaml")
        evaluation = {
            "ap": "step", "distance": "cosine", "feature": feature, "camera_rule": "cross_camera", "flip": False,
        }  # fmt: skip
        config = {"name": "strong", "dataset": {"val_persons": val_persons}, "evaluation": evaluation}
        OmegaConf.save(config, folder / "config.yaml")
        return folder

    return make


HEADER = "epoch,lr-Adam,step,train/id,train/triplet"


def test_losses_are_those_of_the_log_up_to_the_last_iteration(draw, run):
    def rows(start):
        return [(0, "", step, start - step / 1000, start + step / 1000) for step in range(600)] + [("", 0.1, 3, "", "")]

    folders = [run("a", HEADER, rows(2), neck="neck3"), run("b", HEADER, rows(4))]
    drawing = draw("figure=losses", f"runs=[{folders[0]},{folders[1]}]")
    assert drawing.numbers["every"] == 1
    losses = drawing.numbers["losses"]
    assert losses["id"]["neck3"] == {
        "iteration": list(range(1, 501)),
        "loss": pytest.approx([2 - step / 1000 for step in range(500)]),
    }
    assert losses["triplet"]["bnneck"]["loss"][-1] == pytest.approx(4.499)
    assert drawing.figure.get_suptitle() == "Losses on ward: first 500 iterations"
    pale, smooth = drawing.figure.axes[1].lines[2:]
    np.testing.assert_allclose(smooth.get_ydata(), running_mean(pale.get_ydata().tolist(), 15))


def test_a_coarser_log_is_said_and_one_without_losses_refused(draw, run, caplog):
    folder = run("a", HEADER, [(0, "", step, 2, 1) for step in range(19, 600, 20)])
    with caplog.at_level(logging.WARNING):
        drawing = draw("figure=losses", f"runs={{Neck3: {folder}}}")
    assert "one iteration in 20 was logged; train with trainer.log_every_n_steps=1" in caplog.text
    assert drawing.figure.get_suptitle().endswith("; one in 20 was logged")
    assert drawing.numbers["losses"]["id"]["Neck3"]["iteration"][0] == 20
    empty = run("b", HEADER, [("", 0.1, 0, "", "")])
    with pytest.raises(ValueError, match=r"logged none of train/id, train/triplet in its first 500"):
        draw("figure=losses", f"runs=[{empty}]")
    with pytest.raises(ValueError, match="no run is given"):
        draw("figure=losses")
    with pytest.raises(FileNotFoundError, match="is no run's folder"):
        draw("figure=losses", f"runs=[{folder.parent}]")


def test_the_score_after_each_epoch_under_its_protocol(draw, run):
    header = "epoch,step,train/id,val/mAP"
    rows = [(epoch, 10 * epoch, "", 0.1 * epoch + 0.2) for epoch in range(4)] + [(0, 5, 3.0, "")]
    folders = [run("a", header, rows), run("b", header, rows, feature="feature")]
    assert list(labelled([str(folder) for folder in folders], by="name")) == ["strong (a)", "strong (b)"]
    drawing = draw("figure=score_by_epoch", f"runs={{Strong: {folders[0]}, Stronger: {folders[1]}}}")
    strong = drawing.numbers["Strong"]
    assert (strong["epoch"], strong["mAP"]) == ([1, 2, 3, 4], pytest.approx([0.2, 0.3, 0.4, 0.5]))
    title = drawing.figure.get_suptitle().replace("\n", " ")
    assert title == "mAP by epoch: ward, 5 held-out training persons, AP by step, cosine distance, cross_camera"
    labels = [line.get_label() for line in drawing.figure.axes[0].lines]
    assert labels[1] == "Stronger, retrieval by feature: 50.0% at the end"
    (folders[0] / "metrics.json").write_text('{"results": [{"stamp": {"kind": ["vehicle", "vehicles"]}}]}')
    drawing = draw("figure=score_by_epoch", f"runs={{Strong: {folders[0]}}}")
    assert "5 held-out training vehicles" in drawing.figure.get_suptitle().replace("\n", " ")
    with pytest.raises(ValueError, match=r"logged no val/mAP; train it with dataset.val_persons=<number>"):
        draw("figure=score_by_epoch", f"runs=[{run('c', HEADER, [])}]")


def test_runs_of_one_label_and_one_name_are_all_drawn(run):
    folders = [run(f"{name}/0_seed=0", HEADER, [], val_persons=held) for name, held in (("a", 5), ("b", 7))]
    names = [str(folder) for folder in folders]
    assert labelled(names, by="neck") == {f"bnneck ({folder})": folder for folder in folders}
    assert labelled(names, by="dataset.val_persons") == dict(zip(("5", "7"), folders, strict=True))
    with pytest.raises(ValueError, match=r"^figure.by=optimizer.lr: .* has no such group or key; give labels"):
        labelled(names, by="optimizer.lr")
    with pytest.raises(ValueError, match="names a run twice; name each once"):
        labelled([names[0], f"{names[0]}/../0_seed=0"], by="neck")


def test_the_log_of_a_run_of_several_splits_is_that_of_a_split(draw, run):
    whole = run("viper", HEADER, [(0, "", 0, 2, 1)])
    for number in (10, 2):
        (whole / f"split_{number}").mkdir()
        (whole / f"split_{number}" / "log").symlink_to(whole / "log")
    losses = draw("figure=losses", f"runs=[{whole}/split_2,{whole}/split_10]").numbers["losses"]
    assert list(losses["id"]) == ["bnneck (split_2)", "bnneck (split_10)"]
    (whole / "log").rename(whole / "split_3")
    with pytest.raises(
        FileNotFoundError, match=r"trained several splits, each with its own log; give one of split_2, split_3,"
    ):
        draw("figure=losses", f"runs=[{whole}]")
    with pytest.raises(FileNotFoundError, match=r"it is one split of .*viper: name that$"):
        Run(whole / "split_2").overrides()


def idx(values):
    return b"\0\0\x08" + bytes([values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def test_mnist_is_read_from_its_files_and_what_is_wrong_is_named(tmp_path):
    generator = np.random.default_rng(0)
    made = {}
    for part, count in (("train", 20), ("t10k", 10)):
        made[part] = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(made[part]))
        labels = gzip.compress(idx(np.arange(count, dtype=np.uint8) % 10))
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(labels)
    found = mnist(tmp_path)
    np.testing.assert_allclose(found.train[:, 0], made["train"] / 255, rtol=1e-6)
    assert found.test_class.tolist() == list(range(10))
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(made["t10k"])[:-1])
    with pytest.raises(ValueError, match="is no whole idx file"):
        mnist(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match=r"no t10k-images-idx3-ubyte or t10k-images-idx3-ubyte\.gz in"):
        mnist(tmp_path)


def test_scikit_learns_digits_are_all_there():
    digits = sklearn_digits()
    assert (len(digits.train), len(digits.test)) == (1198, 599)
    assert digits.train.shape[1:] == (1, 28, 28)
    assert (float(digits.train.min()), float(digits.train.max())) == (0, 1)


def test_the_share_nearest_to_its_class():
    points = torch.tensor([[0.0, 0], [0, 2], [9, 9], [9, 11], [9, 10]])
    assert nearest_mean(points, torch.tensor([3, 3, 7, 7, 3])) == pytest.approx(0.8)


def test_a_toy_network_learns_is_seeded_and_leaves_the_random_state(compose):
    compose()
    digits, steps = sklearn_digits(), []
    state = torch.get_rng_state()
    training = ToyTraining(iterations=25, images=4, lr=0.01, warm=0.2, seed=3)
    options = {"channels": [2, 4, 4], "training": training, "advance": lambda: steps.append(1)}
    first, again = (outputs_of("neck3", "id_triplet", digits, **options) for _ in range(2))
    assert torch.equal(first.feature, again.feature)
    assert torch.equal(torch.get_rng_state(), state)
    assert len(steps) == 50
    assert nearest_mean(first.feature, digits.test_class) > 0.25


def test_health_curves_are_those_of_the_run_with_its_limits(draw, tmp_path):
    (tmp_path / "health.csv").write_text(
        "epoch,source_rank,target_rank,domain_probe,clusters,cluster_max\n0,9,8,0.9,0,\n1,7.5,6,0.75,2,5\n"
    )
    limits = {"rank": 2.0, "spread": 0.01, "dead": None}
    dataset = {"source": ["dukemtmc", {"dataset": "ward"}], "target": {"dataset": "synthetic", "world": "campus"}}
    config = {"name": "arn", "dataset": dataset, "callbacks": {"health": {"limits": limits}}}
    OmegaConf.save(config, tmp_path / "config.yaml")
    drawing = draw("figure=health", f"run={tmp_path}")
    assert drawing.numbers["effective rank"] == {"source": ([0, 1], [9, 7.5]), "target": ([0, 1], [8, 6])}
    assert drawing.numbers["images of a cluster"] == {"largest": ([1], [5])}
    assert list(drawing.numbers) == ["effective rank", "accuracy of telling domains apart", "images of a cluster", "clusters"]  # fmt: skip
    assert drawing.figure.get_suptitle() == "Health without labels, arn, dukemtmc + ward to synthetic campus"
    assert [text.get_text() for text in drawing.figure.axes[0].texts] == ["limit 2"]
    with pytest.raises(
        FileNotFoundError, match=r"health\.csv; give the folder of a run that trained with callbacks=adap"
    ):
        draw("figure=health", "run=nowhere")
    with pytest.raises(ValueError, match="no run is given: run="):
        draw("figure=health")
