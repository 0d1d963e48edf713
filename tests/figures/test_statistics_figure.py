import pytest
from PIL import Image

from reid_lit.figures.contact_sheet import contact_sheet, rows_of, two_lines
from reid_lit.figures.statistics import Listed, statistics_figure
from reid_lit.figures.tiles import TEXT, TILE, font
from reid_lit.records import Shot

LISTS = {
    "train": Listed(images_of_person=[3, 3, 5], images_of_camera={0: 6, 2: 5}, sizes=[(20, 10)] * 11),
    "query": Listed(images_of_person=[1, 1], images_of_camera={2: 2}, sizes=[(20, 10), (30, 12)]),
}


def test_the_bars_are_the_numbers():
    persons, cameras, sizes = statistics_figure(LISTS, title="a title").axes
    outlines = [patch for patch in persons.patches if not patch.get_fill()]
    assert [patch.get_data().values.tolist() for patch in outlines] == [[0, 0, 2, 0, 1], [2, 0, 0, 0, 0]]
    assert [bar.get_height() for bar in cameras.patches] == [6, 5, 0, 2]
    assert [label.get_text() for label in cameras.get_xticklabels()] == ["c1", "c3"]
    assert [dots.get_offsets().tolist() for dots in sizes.collections] == [[[10, 20]], [[10, 20], [12, 30]]]


def test_many_images_of_a_person_share_bars():
    lists = {"train": Listed(images_of_person=[1, 100, 101], images_of_camera={0: 202}, sizes=[])}
    (outline,) = [patch for patch in statistics_figure(lists).axes[0].patches if not patch.get_fill()]
    assert outline.get_data().values.sum() == 3
    assert len(outline.get_data().values) <= 24


def test_a_list_too_many_is_said_and_none_is_refused(tmp_path):
    figure = statistics_figure({f"list {k}": LISTS["train"] for k in range(9)}, title="many")
    assert figure.get_suptitle() == "many (without 2 more lists)"
    figure.savefig(tmp_path / "many.png")
    with pytest.raises(ValueError, match="no list to draw, of 0; give one"):
        statistics_figure({})


@pytest.fixture
def shots(tmp_path):
    made = []
    for person in (-1, 2, 4, 5, 7):
        for camera in (0, 1, 3):
            path = tmp_path / f"{person}_{camera}.png"
            Image.new("RGB", (12, 24), (30 * person + 30, 60 * camera, 90)).save(path)
            if (person, camera) != (4, 1):
                made += [Shot(path, person, camera), Shot(tmp_path / f"{person}_{camera}_more.png", person, camera)]
    return made


def test_rows_are_persons_and_columns_their_first_image_by_camera(shots):
    lists = {"train": [shot for shot in shots if shot.person_id < 5], "test": [s for s in shots if s.person_id >= 5]}
    rows = rows_of(lists, [0, 1, 3], persons=10, columns=8)
    assert [(row.person_id, row.name) for row in rows] == [(2, "train"), (4, "train"), (5, "test"), (7, "test")]
    assert [[shot and shot.path.stem for shot in row.shots] for row in rows][:2] == [
        ["2_0", "2_1", "2_3"], ["4_0", None, "4_3"]
    ]  # fmt: skip
    assert [row.person_id for row in rows_of(lists, [0, 1, 3], persons=2, columns=8)] == [2, 5]


def test_with_a_single_camera_the_columns_are_images(shots):
    alone = [shot for shot in shots if shot.camera_id == 0]
    rows = rows_of({"train": alone}, [0], persons=3, columns=5)
    assert [shot.path.stem for shot in rows[0].shots] == ["2_0", "2_0_more"]


def test_the_same_sheet_each_time_as_wide_as_its_cameras(shots):
    sheet = contact_sheet({"train": shots}, title="a title")
    assert sheet.tobytes() == contact_sheet({"train": shots}, title="a title").tobytes()
    narrow = contact_sheet({"train": shots}, columns=2, persons=1)
    assert sheet.width - narrow.width == TILE[0] + 10
    assert sheet.height > 3 * narrow.height
    with pytest.raises(ValueError, match="no image shows a person"):
        contact_sheet({"train": [shot for shot in shots if shot.person_id == -1]})


@pytest.mark.parametrize("length", [1, 16, 17, 40, 300])
def test_a_name_fits_on_two_lines(length):
    name = "0123456789" * (length // 10) + "W" * (length % 10)
    first, second = two_lines(name)
    assert all(font(TEXT - 2).getlength(line) <= TILE[0] for line in (first, second))
    assert first + second == name or (second.startswith("…") and name.endswith(second[1:]))
