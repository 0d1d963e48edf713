import random

import pytest

from reid_lit.data.sets import person_folders
from reid_lit.data.sets.csv_file import csv_parts, read
from reid_lit.data.sets.csv_rows import CsvRow, read_rows, unused_columns

LISTS = {
    "train": ["a/1.jpg", "a/2.jpg", "b/1.jpg"],
    "val": ["v/1.jpg", "v/2.jpg"],
    "query": ["c/1.jpg", "d/1.jpg"],
    "gallery": ["c/2.jpg", "d/2.jpg", "d/3.jpg", "e/1.jpg"],
}
ROWS = [("path", "person", "camera", "split")] + [
    (path, path[0], "hall" if path.endswith("1.jpg") else "door", word)
    for word, paths in LISTS.items()
    for path in paths
]


def written(file, rows, *, delimiter=",", end="\n", encoding="utf-8"):
    file.write_bytes(end.join(delimiter.join(map(str, row)) for row in [*rows, ()]).encode(encoding))
    return file


@pytest.fixture
def crops(plant, tmp_path):
    return plant(tmp_path, [row[0] for row in ROWS[1:]])


def names(shots, root):
    return [shot.path.relative_to(root).as_posix() for shot in shots]


def test_the_four_lists(crops):
    split = read(written(crops / "reid.csv", ROWS))
    assert {word: names(getattr(split, word), crops) for word in ("train", "query", "gallery")} == {
        word: sorted(LISTS[word], key=lambda path: (path[0], path[2] == "1", path))
        for word in ("train", "query", "gallery")
    }
    assert {shot.path.parent.name: shot.person_id for shot in split.shots} == dict(
        zip("abcdev", range(1, 7), strict=True)
    )
    assert all(shot.camera_id == (shot.path.name == "1.jpg") for shot in split.shots)
    assert split.validation is not None
    assert names(split.validation.query + split.validation.gallery, crops) == ["v/2.jpg", "v/1.jpg"]
    assert "distractors: 1 gallery person that no query shows" in split.notes


def test_a_column_of_times_is_read_and_packed(crops):
    """Of ISO 8601, in UTC where no zone is said; what is none, or empty, is not known, and stops nothing."""
    times = ["2026-11-28T09:30:00+01:00", "2026-11-28 08:31:00", "", "2026-11-28", "half past nine"]
    rows = [(*row, times[place % 5]) for place, row in enumerate(ROWS[1:])]
    split = read(written(crops / "reid.csv", [(*ROWS[0], "Time"), *rows]))
    taken = {shot.path.relative_to(crops).as_posix(): shot.taken for shot in split.shots}
    for place, (path, *_) in enumerate(ROWS[1:]):
        seconds = (1795854600.0, 1795854660.0, None, 1795824000.0, None)[place % 5]
        assert taken[path] == (seconds and ("csv", seconds)), path
    assert split.notes[-1] == ("2 times not read, such as 'half past nine' in line 6: give 2026-11-28T09:30:00+01:00")
    assert unused_columns(crops / "reid.csv") == []
    header, first, *_ = csv_parts(crops)["reid.csv"].decode().splitlines()
    assert header == "path,person,camera,split,time"
    assert first.endswith(",2026-11-28T09:30:00+01:00")
    plain = read(written(crops / "reid.csv", ROWS))
    assert all(shot.taken is None for shot in plain.shots)


def test_seconds_are_any_number_but_eight_digits_and_never_milliseconds(crops):
    said = {
        "1709041230": 1709041230.0, "1709041230.25": 1709041230.25, "123456789": 123456789.0, ".5": 0.5, "0": 0.0,
        "20261128": 1795824000.0, "20261128.0": 1795824000.0,
        "1709041230415": None, "20261128093000": None, "10000000": None, "-1": None,
    }  # fmt: skip
    rows = [(*row, text) for row, text in zip(ROWS[1:], said, strict=True)]
    split = read(written(crops / "reid.csv", [(*ROWS[0], "time"), *rows]))
    taken = {shot.path.relative_to(crops).as_posix(): shot.taken for shot in split.shots}
    read_as = {row[-1]: taken[row[0]] for row in rows}
    assert read_as == {text: None if seconds is None else ("csv", seconds) for text, seconds in said.items()}
    assert split.notes[-3:] == (
        "2 times not read, such as '1709041230415' in line 9: no seconds; give seconds, such as 1709041230.415, in place"
        " of milliseconds, or 2026-11-28T09:30:00+01:00",
        "1 time not read, such as '10000000' in line 11: eight digits are a date; give 2026-11-28T09:30:00+01:00, or"
        " seconds since another start",
        "1 time not read, such as '-1' in line 12: give 2026-11-28T09:30:00+01:00",
    )


def test_a_column_of_clothes_is_read_and_packed(crops):
    worn = ["red", "blue", ""]
    rows = [(*row, worn[place % 3]) for place, row in enumerate(ROWS[1:])]
    split = read(written(crops / "reid.csv", [(*ROWS[0], "clothes"), *rows]))
    told = {shot.path.relative_to(crops).as_posix(): shot.clothes_id for shot in split.shots}
    assert told == {path: (1, 0, None)[place % 3] for place, (path, *_) in enumerate(ROWS[1:])}
    assert split.notes[-1] == "clothes: 7 pairs of person and clothes on 8 images"
    assert unused_columns(crops / "reid.csv") == []
    assert csv_parts(crops)["reid.csv"].decode().startswith("path,person,camera,split,clothes\n")


def test_a_column_of_views_is_read_in_large_and_small_letters_and_packed(crops):
    shown = ["Front", "front", "", "rear left"]
    rows = [(*row, shown[place % 4]) for place, row in enumerate(ROWS[1:])]
    split = read(written(crops / "reid.csv", [(*ROWS[0], "view"), *rows]))
    told = {shot.path.relative_to(crops).as_posix(): shot.view for shot in split.shots}
    assert told == {path: ("front", "front", None, "rear left")[place % 4] for place, (path, *_) in enumerate(ROWS[1:])}
    counts = [sum(place % 4 in places for place in range(len(rows))) for places in ((0, 1), (3,), (2,))]
    assert split.notes[-1] == "views: front {}, rear left {}; {} images of unknown view".format(*counts)
    assert unused_columns(crops / "reid.csv") == []
    assert csv_parts(crops)["reid.csv"].decode().startswith("path,person,camera,split,view\n")


def test_words_for_what_is_not_known_are_no_clothes_no_tracklet_and_no_view(crops):
    worn, tracked, shown = (
        ("red", "Red", "unknown", "nan", "N/A"),
        ("-1", "a", "A", "-1", "?"),
        ("-30", "-1", "None", "", "-30"),
    )
    rows = [(*row, *(words[place % 5] for words in (worn, tracked, shown))) for place, row in enumerate(ROWS[1:])]
    split = read(written(crops / "reid.csv", [(*ROWS[0], "clothes", "tracklet", "view"), *rows]))
    told = {shot.path.relative_to(crops).as_posix(): shot for shot in split.shots}
    shots = [told[path] for path, *_ in ROWS[1:]]
    assert [shot.clothes_id for shot in shots] == [(0, 0, None, None, None)[place % 5] for place in range(len(shots))]
    assert [shot.track_id is not None for shot in shots] == [place % 5 in (1, 2) for place in range(len(shots))]
    assert len({shot.track_id for shot in shots} - {None}) == sum(place % 5 in (1, 2) for place in range(len(shots)))
    assert [shot.view for shot in shots] == [("-30", None, None, None, "-30")[place % 5] for place in range(len(shots))]
    assert split.notes[-3:] == (
        "clothes: 6 images of an unknown one, written 'unknown', 'nan', 'N/A'",
        "tracklet: 7 images of an unknown one, written '-1', '?'",
        "view: 4 images of an unknown one, written '-1', 'None'",
    )
    nothing = [(*row, "unknown", "-1", "?") for row in ROWS[1:]]
    split = read(written(crops / "reid.csv", [(*ROWS[0], "clothes", "tracklet", "view"), *nothing]))
    assert {(shot.clothes_id, shot.track_id, shot.view) for shot in split.shots} == {(None, None, None)}
    assert split.notes[-1] == "view: 11 images of an unknown one, written '?'"


def test_tracklets_are_of_a_person_and_a_camera_and_times_may_be_seconds(crops):
    rows = [(*row, "1" if place % 2 else "", 2.5 * place) for place, row in enumerate(ROWS[1:])]
    split = read(written(crops / "reid.csv", [(*ROWS[0], "tracklet", "time"), *rows]))
    told = {shot.path.relative_to(crops).as_posix(): (shot.track_id, shot.taken.seconds) for shot in split.shots}
    named = [(row[1], row[2]) for place, row in enumerate(ROWS[1:]) if place % 2]
    number = {key: place for place, key in enumerate(dict.fromkeys(named))}
    for place, (path, person, camera, _) in enumerate(ROWS[1:]):
        assert told[path] == (number[person, camera] if place % 2 else None, 2.5 * place)
    assert split.notes[-1] == f"tracks: {len(number)}, of 5 images"
    assert csv_parts(crops)["reid.csv"].decode().startswith("path,person,camera,split,time,tracklet\n")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_what_spreadsheets_write(crops, delimiter, end, encoding):
    plain = read(written(crops / "plain.csv", ROWS))
    other = read(written(crops / "reid.csv", ROWS, delimiter=delimiter, end=end, encoding=encoding))
    assert (plain.train, plain.query, plain.gallery) == (other.train, other.query, other.gallery)


def test_order_of_lines_and_columns_case_blank_lines_and_other_columns_do_not_matter(crops):
    plain = read(written(crops / "plain.csv", ROWS))
    shuffled = [(split.upper(), f" {person} ", "?", path, camera) for path, person, camera, split in ROWS[1:]]
    random.Random(0).shuffle(shuffled)
    rows = [("Split", "PERSON", "weather", '"path"', "camera"), *shuffled[:3], (), ("", "", "", "", ""), *shuffled[3:]]
    other = read(written(crops / "reid.csv", rows))
    assert (plain.train, plain.query, plain.gallery) == (other.train, other.query, other.gallery)


@pytest.mark.parametrize("columns", [2, 3])
def test_without_a_split_it_is_drawn_as_a_folder_is(plant, tmp_path, columns):
    paths = [f"{person}/{k}.jpg" for person in ("10", "9", "100", "7") for k in range(3)] + ["-1/0.jpg"]
    root = plant(tmp_path / "crops", paths)
    rows = [("path", "person", "split")[:columns]] + [(path, path.split("/")[0], "")[:columns] for path in paths]
    listed = read(written(root / "reid.csv", rows), train_fraction=0.3, split_seed=5)
    straight = person_folders.read(root, train_fraction=0.3, split_seed=5)
    assert (listed.train, listed.query, listed.gallery) == (straight.train, straight.query, straight.gallery)
    assert person_folders.person_names(straight) == {-1: "-1", 1: "7", 2: "9", 3: "10", 4: "100"}
    assert listed.gallery[0].person_id == -1
    assert any("any_camera" in note for note in listed.notes)


def test_absolute_paths_quoted_names_and_a_file_elsewhere(plant, tmp_path):
    root = plant(tmp_path / "crops", [f'{person}/{k}, "x".jpg' for person in "ab" for k in range(2)])
    rows = [("path", "person")] + [
        ('"' + str(path).replace('"', '""') + '"', path.parent.name) for path in sorted(root.glob("*/*.jpg"))
    ]
    split = read(written(tmp_path / "list.csv", rows))
    assert (len(split.train), len(split.query), len(split.gallery)) == (2, 1, 1)


def test_line_numbers_count_the_lines_of_the_file(tmp_path):
    file = written(tmp_path / "reid.csv", [("path", "person"), (), ("a.jpg", "a"), (), ("b.jpg", "b")])
    assert read_rows(file) == [CsvRow(3, "a.jpg", "a"), CsvRow(5, "b.jpg", "b")]


def changed(line, **cells):
    """The good rows with some cells of a line replaced."""
    place = {name: k for k, name in enumerate(ROWS[0])}
    row = list(ROWS[line - 1])
    for name, cell in cells.items():
        row[place[name]] = cell
    return [*ROWS[: line - 1], tuple(row), *ROWS[line:]]


def without(word):
    return [row for row in ROWS if row[3] != word]


ERRORS = {
    "empty file": ([], FileNotFoundError, r"no row in .*reid\.csv"),
    "header only": (ROWS[:1], FileNotFoundError, r"no row in .*reid\.csv"),
    "single cell": ([("path:person:split",), ("a/1.jpg:a:train",)], ValueError, "is a single cell, 'path:person:split'"),
    "person under another name": ([("path", "pid"), ("a/1.jpg", "a")], ValueError, "no column 'person' .* rename 'pid' to"),
    "person misspelt": ([("path", "persn"), ("a/1.jpg", "a")], ValueError, "rename 'persn' to 'person'"),
    "no header": (ROWS[1:], ValueError, r"no column 'path' but 'a/1\.jpg', 'a', 'hall', 'train'; it must name path"),
    "camera under another name": ([("path", "person", "camid"), *ROWS[1:]], ValueError, "rename 'camid' to 'camera'"),
    "column twice": ([("path", "person", "person", "split"), *ROWS[1:]], ValueError, "column 'person' 2 times"),
    "uneven": ([*ROWS, ("f/1.jpg", "f")], ValueError, "1 row with another number of cells than the 4 .* line 13 has 2"),
    "no person": (changed(3, person=" "), ValueError, r"1 row with no person in \S+reid.csv: line 3;"),
    "no path": (changed(3, path=""), ValueError, r"1 row with no path in \S+: line 3;"),
    "a camera now and then": (changed(3, camera=""), ValueError, "no camera in .*: line 3; .* leave the whole column empty"),
    "a split now and then": (changed(3, split=""), ValueError, "no split in .*: line 3;"),
    "unknown split": (changed(4, split="trian"), ValueError, r"line 4 \('trian'\); did you mean train\?"),
    "test is no split": (changed(8, split="test"), ValueError, r"line 8 \('test'\); a test ranks the images of gallery for each image of query"),
    "path twice": (changed(3, path="./a/1.jpg"), ValueError, r"1 row with an image that is listed already in .* line 3 repeats line 2: \./a/1\.jpg"),
    "trained and tested": (
        changed(2, person="d"), ValueError, r"1 person is in training and in query or gallery .* d \(line 2 and line 8\)"
    ),
    "trained and validated": (changed(5, person="a"), ValueError, r"training and in validation .* a \(line 3 and line 5\)"),
    "no gallery": (without("gallery"), FileNotFoundError, "3 train, 2 val, 2 query rows but none with split gallery"),
    "query and gallery mixed up": (
        [row for row in ROWS if row[3] != "gallery"] + [("e/1.jpg", "e", "hall", "gallery")],
        ValueError, "2 query persons of .*, but none is in the gallery: c, d",
    ),
    "junk asks": (changed(7, person="-1"), ValueError, r"1 query of person -1, which is junk, in .*: 1\.jpg"),
    "lonely validation": (
        [row for row in ROWS if row[0] != "v/2.jpg"], ValueError, "1 validation person of .*, but none has two images"
    ),
    "no such image": (changed(3, path="a/3.jpg"), FileNotFoundError, r"a file that is not there in .*: line 3 \(a/3\.jpg\)"),
    "backslashes": (changed(3, path="a\\2.jpg"), FileNotFoundError, "with / between folders"),
    "one person": ([("path", "person"), ("a/1.jpg", "a")], ValueError, r"holds 1 person \(a\)"),
    "lone images": (
        [("path", "person"), ("a/1.jpg", "a"), ("b/1.jpg", "b")], ValueError, "1 test person of .*, but none has two images, so there is no query"
    ),
    "open quote": ([*ROWS, ('"f/1.jpg', "f", "hall", "train")], ValueError, "line 13: .*; close every double quote"),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_errors(crops, case):
    rows, kind, message = ERRORS[case]
    with pytest.raises(kind, match=message):
        read(written(crops / "reid.csv", rows))


def test_every_message_is_another(crops):
    messages = set()
    for rows, kind, _ in ERRORS.values():
        with pytest.raises(kind) as error:
            read(written(crops / "reid.csv", rows))
        messages.add(str(error.value))
    assert len(messages) == len(ERRORS) - 1  # a file without rows is a file without rows


def test_problems_are_collected_and_the_rest_is_read(crops):
    rows = changed(3, path="a/3.jpg")
    rows = [*rows[:4], ("b/1.jpg", "b", "hall", "train"), *rows[4:], ("c/1.jpg", "c", "hall", "trial")]
    found = []
    split = read(written(crops / "reid.csv", rows), report=found.append)
    assert [problem.examples for problem in found] == [
        ("line 14 ('trial')",), ("line 5 repeats line 4: b/1.jpg",), ("line 3 (a/3.jpg)",)
    ]  # fmt: skip
    assert [len(shots) for shots in (split.train, split.query, split.gallery)] == [2, 2, 4]


def test_up_to_three_lines_are_named(crops):
    with pytest.raises(
        FileNotFoundError, match=r"^5 rows .*: line 13 \(x0\.jpg\), line 14 \(x1\.jpg\), line 15 \(x2\.jpg\); p"
    ):
        read(written(crops / "reid.csv", [*ROWS, *((f"x{k}.jpg", "a", "hall", "train") for k in range(5))]))


def test_other_encodings_are_named_with_the_line(crops):
    with pytest.raises(ValueError, match="is not UTF-8: byte 0xe4 in line 3"):
        read(written(crops / "reid.csv", changed(3, person="Bär"), encoding="latin-1"))


def test_where_the_file_may_lie(crops):
    with pytest.raises(FileNotFoundError, match=r"no reid\.csv in .*; python -m reid_lit\.init folder=\S+ writes one$"):
        read(crops)
    written(crops / "mine.csv", ROWS)
    with pytest.raises(
        FileNotFoundError, match=r"no reid\.csv in .*, only mine\.csv; .* or point dataset\.root at the file"
    ):
        read(crops)
    with pytest.raises(FileNotFoundError, match="no such file"):
        read(crops / "nowhere.csv")
    assert read(crops / "mine.csv").train == read(written(crops / "reid.csv", ROWS).parent).train


def test_a_list_without_training_is_for_testing(crops):
    split = read(written(crops / "reid.csv", [row for row in without("train") if row[3] != "val"]))
    assert (len(split.train), len(split.query), len(split.gallery)) == (0, 2, 4)
    assert "no training images: this set is for testing" in split.notes
