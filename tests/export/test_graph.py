"""A graph gives of a consumer's images what ``load`` gives of the same images."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from reid_lit.errors import InputError
from reid_lit.export.graph import Graph, Input, resizing

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def given_by(embedder, rgb, **options):
    return embedder(np.ascontiguousarray(rgb.transpose(0, 2, 3, 1)), color="rgb", **options)


@pytest.mark.parametrize(
    "described",
    [
        {},
        {"color": "bgr", "dtype": "uint8"},
        {"divisor": (1.0, 1.0, 1.0)},
        {"divisor": tuple(1 / std for std in STD), "shift": MEAN, "color": "bgr"},
        {"divisor": (255 * 0.01735,) * 3, "shift": MEAN},
    ],
)
def test_it_takes_images_as_a_consumer_has_them(embedder, crops, described):
    ours, rgb = embedder("evaluation.flip=true"), crops()
    images = Input(size=(64, 32), **described)
    graph = Graph(ours, images=images, unit_length=False)
    found = graph(torch.from_numpy(images.of(rgb)))
    torch.testing.assert_close(found, given_by(ours, rgb), rtol=1e-4, atol=1e-4)


def test_swapped_colours_give_other_features(embedder, crops):
    ours, rgb = embedder(), crops()
    swapped = Graph(ours, unit_length=True)(torch.from_numpy(rgb[:, ::-1].copy()).float())
    assert (swapped * given_by(ours, rgb, normalize=True)).sum(1).min() < 0.999


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_it_resizes_inside_as_the_run_does(embedder, crops, interpolation):
    ours, square = embedder(f"transform.interpolation={interpolation}"), crops(40, 40)
    graph = Graph(ours, images=Input(size=(40, 40)), unit_length=True)
    cosine = (graph(torch.from_numpy(square).float()) * given_by(ours, square, normalize=True)).sum(1)
    assert cosine.min() > 0.9999
    assert cosine.max() < 1.0001


@pytest.mark.parametrize(("old", "new"), [(40, 16), (16, 40), (32, 32)])
def test_resizing_is_torchs(old, new):
    image = torch.rand(2, 3, old, 5)
    expected = F.interpolate(image, size=(new, 5), mode="bicubic", antialias=True)
    torch.testing.assert_close(resizing(old, new, "bicubic") @ image, expected)


@pytest.mark.parametrize(
    "words",
    [
        ("model=pcb", "loss=parts_id", "model.pool.stripes=2", "evaluation.feature=pooled"),
        ("model=alignedreid", "loss=aligned", "evaluation=aligned"),
        ("evaluation.crops=[56,28]", "evaluation.feature=feature", "evaluation.flip=true"),
    ],
)
def test_parts_and_views_are_those_of_the_run(embedder, crops, words):
    ours, rgb = embedder(*words), crops(count=3)
    found = Graph(ours, unit_length=True)(torch.from_numpy(rgb).float())
    torch.testing.assert_close(found, given_by(ours, rgb, normalize=True), rtol=1e-4, atol=1e-5)


def test_the_model_stays_as_it_is(embedder):
    ours = embedder()
    before = {name: value.clone() for name, value in ours.state_dict().items()}
    Graph(ours, unit_length=True).half()
    assert all(torch.equal(value, before[name]) for name, value in ours.state_dict().items())
    layouts = {value.is_contiguous(memory_format=torch.channels_last) for value in ours.parameters() if value.ndim == 4}
    assert layouts == {True}


@pytest.mark.parametrize(
    ("described", "said"),
    [
        ({"color": "grey"}, "color='grey': unknown; give rgb or bgr"),
        ({"dtype": "int32"}, "dtype='int32': unknown"),
        ({"divisor": (0.0, 1.0, 1.0)}, "give numbers other than 0"),
        ({"dtype": "uint8", "divisor": (1.0, 1.0, 1.0)}, "dtype=uint8 holds 0 … 255"),
    ],
)
def test_what_is_no_input_is_refused(described, said):
    with pytest.raises(InputError, match=said):
        Input(size=(64, 32), **described)
