from reid_lit.files.access import files_below


def test_a_link_that_leads_back_is_passed_over_with_a_warning(tmp_path, caplog):
    (tmp_path / "crops" / "p").mkdir(parents=True)
    (tmp_path / "crops" / "p" / "1.jpg").touch()
    (tmp_path / "crops" / "p" / "loop").symlink_to("..")
    (tmp_path / "crops" / "same").symlink_to("p")  # another way there, which is followed
    names = [path.relative_to(tmp_path).as_posix() for path in files_below(tmp_path / "crops")]
    assert names == ["crops/p/1.jpg", "crops/same/1.jpg"]
    assert "leads back to" in caplog.text
