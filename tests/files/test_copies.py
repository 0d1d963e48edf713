import shutil

import pytest

from reid_lit.files.box import Box, boxed
from reid_lit.files.copies import copies, digest


@pytest.fixture
def images(tmp_path):
    for folder, names in {"a": "123", "b": "45"}.items():
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_bytes(f"content {name}".encode())
    return tmp_path


def test_a_copy_is_known_by_its_content_whatever_it_is_called(images):
    shutil.copy(images / "a" / "1", images / "b" / "renamed")
    (images / "b" / "link").symlink_to(images / "a" / "2")
    first, second = ([str(path) for path in sorted((images / name).iterdir())] for name in "ab")
    assert copies(second, first) == [str(images / "b" / "link"), str(images / "b" / "renamed")]
    assert copies(first, second) == [str(images / "a" / "1"), str(images / "a" / "2")]


def test_the_same_size_is_no_copy_and_what_is_gone_is_none(images):
    assert copies([str(images / "a" / "1")], [str(images / "b" / "4"), str(images / "nowhere")]) == []
    assert copies([str(images / "nowhere")], [str(images / "b" / "4")]) == []


def test_two_boxes_of_a_file_are_two_images(images):
    one, two = (boxed(images / "a" / "1", Box(0, 0, 1, size)) for size in (1, 2))
    assert copies([str(one)], [str(two), str(images / "a" / "1")]) == []
    assert copies([str(one)], [str(one)]) == [str(one)]


def test_a_file_that_changed_is_read_again(images):
    before = digest(images / "a" / "1")
    (images / "a" / "1").write_bytes(b"longer content")
    assert digest(images / "a" / "1") != before
