from reid_lit.data.sets.filenames import other_files
from reid_lit.files.access import entries, files_below


def test_a_link_that_leads_back_is_passed_over_with_a_warning(tmp_path, caplog):
    (tmp_path / "crops" / "p").mkdir(parents=True)
    (tmp_path / "crops" / "p" / "1.jpg").touch()
    (tmp_path / "crops" / "p" / "loop").symlink_to("..")
    (tmp_path / "crops" / "same").symlink_to("p")  # another way there, which is followed
    names = [path.relative_to(tmp_path).as_posix() for path in files_below(tmp_path / "crops")]
    assert names == ["crops/p/1.jpg", "crops/same/1.jpg"]
    assert "leads back to" in caplog.text


def test_a_link_that_leads_to_itself_is_a_file_that_cannot_be_read(tmp_path):
    (tmp_path / "a.jpg").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert sorted(entries(tmp_path)) == [("a.jpg", False), ("loop", False)]
    assert [path.name for path in files_below(tmp_path)] == ["a.jpg", "loop"]
    assert other_files(tmp_path, but=tmp_path / "list.csv") == {"without ending": 1}
