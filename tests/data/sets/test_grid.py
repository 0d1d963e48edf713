import pytest

from reid_lit.data.sets.grid import PARTITIONS, SPLITS, partitions, read


@pytest.fixture
def grid(tmp_path):
    """Eight pairs and five strangers, as empty files; partition k trains on four of the pairs."""
    root = tmp_path / "underground_reid"
    names = [f"probe/{p:04}_{1 + p % 2}_1_2_3_4_5.jpeg" for p in range(1, 9)]
    names += [f"gallery/{p:04}_{3 + p % 2}_1_2_3_4_5.jpeg" for p in range(1, 9)]
    names += [f"gallery/0000_{camera}_1_2_3_4_{camera}.jpeg" for camera in range(1, 6)]
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    halves = [[1 + (k + n) % 8 for n in range(4)] for k in range(SPLITS)]
    (root / PARTITIONS).write_bytes(partitions(halves))
    return root


def persons(shots):
    return [shot.person_id for shot in shots]


@pytest.mark.parametrize(("split_id", "train"), [(0, [1, 2, 3, 4]), (6, [1, 2, 7, 8])])
def test_the_authors_partitions_say_who_trains(grid, split_id, train):
    split = read(grid, split_id=split_id)
    tested = sorted({*range(1, 9)} - {*train})
    assert persons(split.train) == sorted([*train, *train])
    assert persons(split.query) == tested
    assert persons(split.gallery) == [0] * 5 + tested
    assert {shot.path.parent.name for shot in split.query} == {"probe"}
    assert {(s.path.name[5], s.camera_id) for s in split.gallery} == {(str(c + 1), c) for c in range(5)}
    assert f"the authors' partition {split_id} of 10" in split.notes[0]


def test_strangers_with_numbers_of_their_own_are_strangers(grid):
    before = read(grid)
    for number, path in enumerate(sorted((grid / "gallery").glob("0000_*")), start=251):
        path.rename(path.with_name(path.name.replace("0000_", f"{number:04}_")))
    assert [(s.person_id, s.camera_id) for s in read(grid).gallery] == [
        (s.person_id, s.camera_id) for s in before.gallery
    ]


def test_all_pairs_train_without_the_strangers(grid, tmp_path):
    split = read(tmp_path, train_on="all")
    assert persons(split.train) == sorted([*range(1, 9), *range(1, 9)])
    assert split.notes[-1] == "5 images of junk and distractors left out"


def test_a_training_person_without_a_pair_is_named(grid):
    next((grid / "gallery").glob("0002_*")).unlink()
    with pytest.raises(ValueError, match=r"GRID: 1 training person of .* without probe or gallery image: 0002; copy"):
        read(grid)


@pytest.mark.parametrize("content", [b"", b"no mat", partitions([[1]] * 9), partitions([[1]] * 9 + [[]])])
def test_partitions_that_cannot_be_read_are_named(grid, content):
    (grid / PARTITIONS).write_bytes(content)
    with pytest.raises(
        ValueError, match=r"features_and_partitions\.mat cannot be read as GRID's ten partitions .*; copy it anew"
    ):
        read(grid)
    problems = []
    split = read(grid, report=problems.append)
    assert (len(problems), split.train) == (1, ())


def test_what_is_missing_or_unknown_is_said(grid, tmp_path):
    with pytest.raises(ValueError, match="split_id=10: unknown; choose one of 0, 1"):
        read(grid, split_id=10)
    with pytest.raises(ValueError, match="train_on='half': unknown"):
        read(grid, train_on="half")
    (grid / PARTITIONS).unlink()
    with pytest.raises(
        FileNotFoundError, match=r"GRID: no features_and_partitions\.mat in .*; it comes with the images"
    ):
        read(grid)
    (grid / "probe").rename(grid / "query")
    with pytest.raises(FileNotFoundError, match=r"GRID: no probe/ in .*REID_DATA"):
        read(tmp_path)
