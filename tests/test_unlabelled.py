"""Adaptation to images whose persons nobody knows, as users run it."""

import json

import pytest
import torch

SIZES = [
    "transform.size=[64,32]", "loader.batch_size=16", "machine.workers=1", "machine.accelerator=cpu",
    "callbacks.health.images=16", "hydra.run.dir=run",
]  # fmt: skip
TO = {
    "adabn": ["+experiment=plaza_to_campus_adabn", "model.weights={run}", "~dataset.world", "dataset=images", "dataset.root={images}"],
    "pul": [
        "+experiment=plaza_to_campus_pul", "model.weights={run}", "~dataset.world", "dataset=folder", "dataset.layout=image",
        "dataset.root={images}", "model.clusters=5", "model.epochs_per_round=1", "trainer.max_epochs=1",
    ],
    "arn": [
        "+experiment=plaza_to_campus_arn", "backbone.weights={run}", "data_root={data}", "dataset.source.size=tiny",
        "~dataset.target", "+dataset.target={{dataset: images, root: {images}}}", "dataset.target_batch_size=16",
        "sampler.images=2", "trainer.max_epochs=1",
    ],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("method", TO)
def test_plain_images_are_a_target_and_a_labelled_set_tests_the_run(command, trained, drawn, tmp_path, method):
    (images,) = (drawn / "synthetic" / "campus-tiny-0").glob("bounding_box_train")
    words = [word.format(run=trained[0], images=images, data=drawn) for word in TO[method]]
    done = command(*words, *SIZES, cwd=tmp_path)
    assert "no person is known on its images, so nothing is tested on them" in done.stdout + done.stderr
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["results"] == []
    listed = (tmp_path / "run" / "training_list.txt").read_text().splitlines()
    labelled = (tmp_path / "run" / "labelled_list.txt").read_text().splitlines()
    assert sum(str(images) in path for path in listed) == len(list(images.glob("*.jpg")))
    assert not any(str(images) in path for path in labelled)
    before, after = (
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for folder in (trained[0], tmp_path / "run")
    )
    norm = "backbone.body.model.bn1.running_mean"
    if method != "arn":  # it freezes E_I's norms
        assert not torch.equal(before[norm], after[norm])
    set_of_its_own = f"{{dataset: synthetic, world: campus, size: tiny, root: {drawn}/synthetic/campus-tiny-0}}"
    again = command("run=run", f"test_on=[{set_of_its_own}]", cwd=tmp_path, module="reid_lit.evaluate")
    assert "Retrieval scores" in again.stdout


@pytest.mark.slow
def test_a_network_that_learns_persons_refuses_images_without(command, drawn, tmp_path):
    words = ["+experiment=folder_softmax", "dataset.layout=image", f"dataset.root={drawn}/synthetic/campus-tiny-0"]
    done = command(*words, *SIZES[:4], "hydra.run.dir=run", cwd=tmp_path, check=False)
    assert done.returncode != 0
    assert "no training person is known" in done.stderr
    assert "Traceback" not in done.stderr
