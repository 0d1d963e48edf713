from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from reid_lit.data.splits import draw_persons, part, query_and_gallery
from reid_lit.records import Shot

shots = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 3)), max_size=60).map(
    lambda pairs: tuple(Shot(Path(f"{i}"), person, camera) for i, (person, camera) in enumerate(pairs))
)


@given(shots)
def test_each_query_has_a_match_from_another_camera_where_there_is_one(shots):
    query, gallery = query_and_gallery(shots)
    assert sorted((*query, *gallery), key=lambda s: int(s.path.name)) == list(shots)
    for shot in query:
        matches = [other for other in gallery if other.person_id == shot.person_id]
        assert matches
        seen = {other.camera_id for other in shots if other.person_id == shot.person_id}
        assert len(seen) == 1 or any(other.camera_id != shot.camera_id for other in matches)


@given(shots, st.integers(0, 6), st.integers(0, 9))
def test_parts_are_disjoint_and_do_not_depend_on_the_order(shots, count, seed):
    persons = draw_persons((s.person_id for s in shots), count, seed=seed)
    assert persons == draw_persons((s.person_id for s in reversed(shots)), count, seed=seed)
    inside, outside = part(shots, persons)
    assert {s.person_id for s in inside}.isdisjoint(s.person_id for s in outside)
    assert len(inside) + len(outside) == len(shots)
