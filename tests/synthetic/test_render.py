import numpy as np
import pytest

from reid_lit.synthetic.plan import plan
from reid_lit.synthetic.render import draw
from reid_lit.synthetic.scene import draw_scene
from reid_lit.synthetic.worlds import WORLDS


@pytest.mark.parametrize("name", WORLDS)
def test_images_do_not_depend_on_the_order_of_drawing(name):
    drawings = plan(name, "tiny")[::9]
    forth = [draw(WORLDS[name], drawing) for drawing in drawings]
    back = [draw(WORLDS[name], drawing) for drawing in drawings[::-1]][::-1]
    for one, other in zip(forth, back, strict=True):
        np.testing.assert_array_equal(one, other)


def test_images_are_uint8_of_the_size_of_market():
    image = draw(WORLDS["campus"], plan("campus", "tiny")[0])
    assert image.shape == (128, 64, 3)
    assert image.dtype == np.uint8


def test_the_seed_changes_the_image():
    drawing = plan("plaza", "tiny")[0]
    assert (draw(WORLDS["plaza"], drawing, 0) != draw(WORLDS["plaza"], drawing, 1)).any()


def test_drawing_leaves_the_global_random_state_alone():
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    draw(WORLDS["plaza"], plan("plaza", "tiny")[3])
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.mark.parametrize("name", WORLDS)
def test_every_camera_has_a_scene_of_its_own(name):
    scenes = [draw_scene(camera.setting, np.random.default_rng(0))[:, :, :3] for camera in WORLDS[name].cameras]
    for k, scene in enumerate(scenes):
        assert np.isfinite(scene).all()
        assert all(np.abs(scene - other).mean() > 0.02 for other in scenes[:k])
