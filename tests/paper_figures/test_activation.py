"""Where a network looks, on images with one bright region."""

import json
import sys

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from PIL import Image

from reid_lit.figures.overlay import overlaid
from reid_lit.layers.parts import RefinedPartPool
from reid_lit.paper_figures import activation as module
from reid_lit.paper_figures import norms
from reid_lit.paper_figures.activation import over_range, peaks
from reid_lit.testing.embedder import Embedder

SMALL = ("backbone=resnet18_scratch", "last_stride=one", "transform.size=[64,32]")
MODELS = {
    "strong": ("+experiment=market_strong",),
    "pcb": ("+experiment=market_strong_pcb", "model.pool.stripes=2"),
    "aligned": ("+experiment=market_strong_aligned",),
    "mgn": ("+experiment=market_strong_mgn",),
}
ROWS = {
    "strong": ["activation"],
    "pcb": ["activation", "stripes"],
    "aligned": ["activation", "stripes"],
    "mgn": ["whole", "halves", "thirds"],
}


@pytest.fixture
def made(compose):
    """A network of a config, with weights as they were drawn."""

    def build(name):
        torch.manual_seed(0)
        config = compose(*MODELS[name], *SMALL)
        model = instantiate(config.model, _convert_="all")(persons=5)
        transform = instantiate(config.transform, _convert_="all")
        return Embedder(model=model, transform=transform, batch_size=4, precision="32-true")

    return build


@pytest.fixture
def bright(tmp_path):
    """Two images, dark but for a region at the top left or at the bottom right."""
    files = []
    for name, box in (("a", (0, 0, 14, 20)), ("b", (18, 44, 32, 64))):
        image = Image.new("RGB", (32, 64))
        image.paste((255, 255, 255), box)
        image.save(tmp_path / f"{name}.png")
        files.append(str(tmp_path / f"{name}.png"))
    return files


@pytest.mark.parametrize("name", MODELS)
def test_the_maximum_lies_in_the_bright_region(made, bright, monkeypatch, name):
    embedder = made(name)
    embedder.model.backbone.mean.zero_()  # dark is 0
    monkeypatch.setattr(module, "load", lambda *_, **__: embedder)
    config = OmegaConf.create({"run": "runs/x/1", "dataset": {"_target_": "reid_lit.data.sets.ward.Ward"}})
    drawing = module.activation(config, images=bright, shown=8, share=0.6)
    peaks_by_name = drawing.numbers["peaks"]
    (top, left), (down, right) = (seen[0] for seen in next(iter(peaks_by_name.values())))
    assert top < 0.5 < down
    assert left < 0.5 < right
    assert json.loads(json.dumps(drawing.numbers))["files"] == ["a.png", "b.png"]
    assert list(peaks_by_name) == ROWS[name]
    assert len(drawing.figure.axes) == 2 * (1 + len(ROWS[name]))


def test_each_stripe_is_shown_over_its_own_range(made):
    embedder = made("aligned")
    with torch.no_grad():
        seen = embedder.model.activation(torch.rand(2, 3, 64, 32))
    rows = seen["activation"].shape[2]
    assert seen["stripes"].shape == (2, rows, *seen["activation"].shape[2:])
    torch.testing.assert_close(seen["stripes"].sum(1), seen["activation"][:, 0])
    stripes = over_range(seen["stripes"])
    torch.testing.assert_close(stripes.amax((2, 3)), torch.ones(2, rows))
    assert over_range(torch.full((1, 1, 2, 2), 3.0)).tolist() == [[[[1, 1], [1, 1]]]]
    assert over_range(torch.tensor([[[[2.0, 4.0, 3.0]]]])).tolist() == [[[[0, 1, 0.5]]]]
    assert [round(down * rows - 0.5) for down, _ in peaks(stripes[0])] == list(range(rows))


def test_learnt_parts_see_what_is_theirs(made):
    embedder = made("pcb")
    embedder.model.pool = RefinedPartPool(features=512, stripes=2, dim=8, dropout=0.0).eval()
    with torch.no_grad():
        seen = embedder.model.activation(torch.rand(2, 3, 64, 32))
    torch.testing.assert_close(seen["stripes"].sum(1), seen["activation"][:, 0])


def test_colours_are_laid_over_the_image_in_grey():
    image, heat = torch.rand(1, 3, 8, 4), torch.zeros(1, 2, 1)
    heat[0, 1] = 1
    drawn = overlaid(image, heat, share=0.5)
    dark = torch.tensor([0.001462, 0.000466, 0.013866])  # inferno's first colour
    torch.testing.assert_close(drawn[0, :, 0, 0], 0.5 * dark + 0.5 * image[0, :, 0, 0].mean(), atol=1e-5, rtol=0)
    assert drawn[0, :, -1].mean() > drawn[0, :, 0].mean()


@pytest.mark.parametrize(
    ("run", "share", "words"), [(None, 0.6, "run=null: give the folder"), ("runs/x", 0.0, "share=0.0: give a number")]
)
def test_what_cannot_be_drawn_is_refused(run, share, words):
    with pytest.raises(ValueError, match=f"^{words}"):
        module.activation(OmegaConf.create({"run": run}), images=None, shown=8, share=share)


@pytest.mark.parametrize(("figure", "read"), [(module.activation, "load"), (norms.norms, "trained_model")])
def test_of_a_run_of_several_splits_one_is_drawn(tmp_path, monkeypatch, caplog, figure, read):
    def looked(*given, **_):
        raise LookupError(*(each for each in given if not isinstance(each, DictConfig)))

    monkeypatch.setattr(sys.modules[figure.__module__], read, looked)
    arguments = {"bins": 5} if read == "trained_model" else {"images": ["a.png"], "shown": 1, "share": 0.5}
    for number in (2, 9):
        (tmp_path / f"split_{number}" / "checkpoints").mkdir(parents=True)
        (tmp_path / f"split_{number}" / "checkpoints" / "last.ckpt").touch()

    def draw(split_id):
        dataset = {"_target_": "reid_lit.data.sets.grid.Grid", "split_id": split_id}
        with pytest.raises(LookupError) as found:
            figure(OmegaConf.create({"run": str(tmp_path), "dataset": dataset}), **arguments)
        (seen,) = found.value.args
        return getattr(seen, "folder", seen)

    assert draw([9, 2]) == tmp_path / "split_9"
    assert "2 splits; split 9 is looked at, choose another by dataset.split_id" in caplog.text
    assert draw(2) == tmp_path / "split_2"
    with pytest.raises(
        FileNotFoundError, match=r"has weights for each split, of 2, 9, and none for .*split_id=3; choose"
    ):
        draw(3)
