import re
from collections import Counter, defaultdict

import pytest

from reid_lit.synthetic.plan import GALLERY, QUERY, SIZES, TRAIN, counts, plan
from reid_lit.synthetic.worlds import WORLDS

NAME = re.compile(r"^(-1|\d{4})_c(\d)s(\d)_(\d{6})_(\d{2})\.jpg$")


@pytest.fixture(scope="module", params=[(world, size) for world in WORLDS for size in SIZES], ids="-".join)
def drawings(request):
    return plan(*request.param)


def by_folder(drawings, folder):
    return [drawing for drawing in drawings if drawing.folder == folder]


def test_names_are_those_of_market_and_tell_the_truth(drawings):
    for drawing in drawings:
        person, camera, *_, box = NAME.match(drawing.name).groups()
        assert int(person) == drawing.person_id
        assert int(camera) == drawing.camera + 1
        assert (box == "00") == (drawing.folder == QUERY)


def test_no_name_comes_twice(drawings):
    assert len({drawing.name for drawing in drawings}) == len(drawings)
    assert [drawing.position for drawing in drawings] == list(range(len(drawings)))


@pytest.mark.parametrize("world", WORLDS)
def test_full_has_the_counts_of_market(world):
    drawings = plan(world, "full")
    assert counts(drawings) == {TRAIN: 12_936, QUERY: 3_368, GALLERY: 19_732}
    persons = {folder: {d.person_id for d in by_folder(drawings, folder)} for folder in (TRAIN, QUERY, GALLERY)}
    assert len(persons[TRAIN]) == 751
    assert len(persons[QUERY]) == 750
    assert persons[GALLERY] == persons[QUERY] | {0, -1}
    gallery = Counter(min(d.person_id, 1) for d in by_folder(drawings, GALLERY))
    assert gallery == {1: 13_115, 0: 2_798, -1: 3_819}


def test_counts_are_those_of_the_size(drawings):
    size = next(size for size in SIZES.values() if size.train_images == counts(drawings)[TRAIN])
    assert counts(drawings)[QUERY] == size.queries
    assert counts(drawings)[GALLERY] == size.matches + size.distractors + size.junk
    assert len({d.person_id for d in by_folder(drawings, TRAIN)}) == size.train_persons


def test_every_query_has_a_match_by_another_camera(drawings):
    cameras = defaultdict(set)
    for drawing in by_folder(drawings, GALLERY):
        cameras[drawing.person_id].add(drawing.camera)
    for query in by_folder(drawings, QUERY):
        assert cameras[query.person_id] - {query.camera}


def test_one_query_for_each_person_and_camera(drawings):
    queries = by_folder(drawings, QUERY)
    pairs = {(query.person_id, query.camera) for query in queries}
    assert len(pairs) == len(queries)
    seen = {(d.person_id, d.camera) for d in by_folder(drawings, GALLERY) if d.person_id > 0}
    assert seen == pairs


def test_persons_of_training_and_testing_differ(drawings):
    train = {drawing.identity for drawing in by_folder(drawings, TRAIN)}
    queries = {drawing.identity for drawing in by_folder(drawings, QUERY)}
    others = {drawing.identity for drawing in by_folder(drawings, GALLERY) if drawing.person_id <= 0}
    assert not train & queries
    assert not others & (train | queries)


def test_the_seed_decides():
    assert plan("plaza", "tiny", 1) == plan("plaza", "tiny", 1)
    assert plan("plaza", "tiny", 1) != plan("plaza", "tiny", 2)


def test_unknown_choices_are_named_with_the_known():
    with pytest.raises(ValueError, match=r"world='market'.*plaza, campus"):
        plan("market", "tiny")
    with pytest.raises(ValueError, match=r"size='huge'.*tiny, small, full"):
        plan("plaza", "huge")
