"""What is printed and written of a data set of vehicles says vehicles, and never persons."""

import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from reid_lit.calibration.labelled import Labelled
from reid_lit.calibration.measure import measure
from reid_lit.calibration.record import read_calibration
from reid_lit.calibration.text import show
from reid_lit.data.sets.csv_file import read
from reid_lit.errors import InputError
from reid_lit.figures.calibration import reliability_diagram
from reid_lit.init import init
from reid_lit.kinds import OBJECT, PERSON, VEHICLE, Kind, kind_of, said, speak_of
from reid_lit.paper_figures.logs import kind_of_run
from reid_lit.testing.provenance import Provenance
from reid_lit.wording import counted

CODE = re.compile(r"`[^`]*`|<script>.*?</script>|<style>.*?</style>|<[^>]*>|\{[^{}]*\}", re.DOTALL)
"""What a document says to programs: keys keep their names."""


@pytest.fixture(scope="module")
def vehicles(tmp_path_factory):
    """A CSV of eight vehicles, four images each, by two cameras and in two paints, noise on a colour of their own."""
    root, noise = tmp_path_factory.mktemp("vehicles"), np.random.default_rng(0)
    rows = ["path,person,camera,clothes,kind"]
    for vehicle in range(8):
        for k in range(4):
            pixels = noise.integers(0, 60, (64, 64, 3)) + np.array([20 * vehicle, 90, 180 - 20 * vehicle])
            Image.fromarray(pixels.astype(np.uint8)).save(root / f"{vehicle}_{k}.png")
            rows.append(f"{vehicle}_{k}.png,plate {vehicle},gate {k % 2},{'red' if k < 2 else 'blue'},vehicle")
    (root / "reid.csv").write_text("\n".join(rows))
    return root


def of_persons(text):
    """The lines that speak of persons."""
    return [line for line in CODE.sub("", text).splitlines() if re.search(r"\bpersons?\b", line, re.IGNORECASE)]


def test_a_run_on_vehicles_speaks_of_vehicles(command, vehicles, tmp_path):
    data = ["dataset=csv", f"dataset.root={vehicles}"]
    done = command(
        "+experiment=csv_softmax", *data[1:], "transform.size=[32,32]", "loader.batch_size=8", "machine.workers=0",
        "trainer.max_epochs=1", "trainer.log_every_n_steps=1", "hydra.run.dir=run", cwd=tmp_path,
    )  # fmt: skip
    assert of_persons(done.stdout + done.stderr) == []
    assert "16 images, 4 vehicles, 2 cameras" in done.stdout + done.stderr
    results = json.loads((tmp_path / "run" / "metrics.json").read_text())["results"]
    assert results[0]["stamp"]["kind"] == ["vehicle", "vehicles"]
    assert of_persons(json.dumps(results[0]["stamp"]["notes"])) == []
    for module, words in {
        "reid_lit.evaluate": ["run=run", "hydra.run.dir=changed", "evaluation.clothes_rule=changed_clothes"],
        "reid_lit.doctor": data,
        "reid_lit.page": ["run=run"],
        "reid_lit.card": ["run=run"],
    }.items():
        done = command(*words, cwd=tmp_path, module=module)
        assert of_persons(done.stdout + done.stderr) == [], module
    stamp = json.loads((tmp_path / "changed" / "metrics.json").read_text())["results"][0]["stamp"]
    assert (stamp["clothes_rule"], stamp["kind"]) == ("changed_clothes", ["vehicle", "vehicles"])
    page = (tmp_path / "run" / "page.html").read_text()
    assert of_persons(re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)) == []
    assert "Vehicle re-identification, trained on csv" in page
    assert '<script type="application/json" id="kind">"vehicle"</script>' in page
    card = (tmp_path / "run" / "card.md").read_text()
    assert of_persons(card) == []
    assert "vehicle re-identification" in card
    (broken := tmp_path / "broken.csv").write_text((vehicles / "reid.csv").read_text().replace("0_", f"{vehicles}/0_"))
    done = command("dataset=csv", f"dataset.root={broken}", cwd=tmp_path, module="reid_lit.doctor", check=False)
    assert done.returncode == 1
    assert of_persons(done.stdout + done.stderr) == []


def test_a_list_of_vehicles_says_so(vehicles, compose, capsys, tmp_path):
    for image in vehicles.glob("*.png"):
        place = tmp_path / "crops" / image.stem[0] / f"gate{int(image.stem[-1]) % 2}" / image.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(image)
    init(compose(f"folder={tmp_path / 'crops'}", "kind=vehicle", config_name="init"))
    out = capsys.readouterr().out
    assert of_persons(out.replace("layout: person/camera/image", "")) == []
    assert "4 of 8 vehicles train" in out
    assert read(tmp_path / "crops").kind == VEHICLE
    with pytest.raises(ValueError, match=r"train_fraction=2.0: outside .* half of the vehicles"):
        init(compose(f"folder={tmp_path / 'crops'}", "train_fraction=2.0", "overwrite=true", config_name="init"))


def test_a_calibration_of_vehicles_says_so(tmp_path):
    generator = torch.Generator().manual_seed(0)
    vehicle = torch.arange(30).repeat(4)
    embedding = torch.nn.functional.normalize(
        torch.randn(30, 8, generator=generator)[vehicle] + torch.randn(120, 8, generator=generator)
    )
    camera = torch.arange(120) // 60
    images = Labelled(embedding=embedding, person=vehicle, camera=camera, across=True)
    data = {
        "name": "plates",
        "kind": ["vehicle", "vehicles"],
        "images": 120,
        "cameras": 2,
        "pairs": "all",
        "notes": ["images of persons"],
    }
    origin = Provenance(
        model="a", feature="embedding", flip=True, size=(8, 8), interpolation="bilinear", mean=(0.0,), std=(1.0,),
        precision="32-true",
    )  # fmt: skip
    found = measure(
        images,
        origin=origin,
        data=data,
        rates=[0.05, 1e-6],
        resamples=10,
        by_cameras=True,
        gaps=[],
        tell=lambda *_: None,
    )
    again = read_calibration(found.write(tmp_path / "calibration.json"))
    console = Console(width=300, file=io.StringIO())
    show(again, console)
    out = console.file.getvalue()
    assert "120 images of 30 vehicles under 2 cameras" in out
    assert "pairs of two vehicles are too few" in out
    assert of_persons(out) == []
    with pytest.raises(ValueError, match=r"has no threshold: .* pairs of two vehicles are too few"):
        again.at(1e-6)


def test_the_page_of_a_gallery_of_vehicles_says_so():
    pytest.importorskip("fastapi")
    from fastapi import FastAPI

    from reid_lit.serve.pages import add_pages

    add_pages(app := FastAPI(), VEHICLE)
    (page,) = (route.endpoint for route in app.routes if route.path == "/")
    text = page().body.decode()
    assert of_persons(text) == []
    assert '<th id="kind"> vehicle</th>' in text
    assert text.count('<label> Vehicle <input name="person"') == 3


def test_errors_say_what_was_read(vehicles, tmp_path):
    error = InputError("a person who is in 2 lists of persons")
    assert str(error) == "a person who is in 2 lists of persons"
    lines = (vehicles / "reid.csv").read_text().splitlines()
    file = tmp_path / "reid.csv"
    file.write_text("\n".join([lines[0], *(f"{vehicles}/{line}" for line in lines[1:5])]))
    with pytest.raises(ValueError, match=r"holds 1 vehicle \(plate 0\); a split needs 2 or more"):
        read(file)
    assert str(error) == "a vehicle that is in 2 lists of vehicles"
    speak_of(PERSON)
    assert str(error) == "an object that is in 2 lists of objects"


def test_an_empty_cell_of_a_table_of_vehicles_says_so(tmp_path):
    (tmp_path / "reid.csv").write_text("path,person,kind\na.png,one,vehicles\nb.png,,vehicles\n")
    with pytest.raises(ValueError, match="1 row with no vehicle in "):
        read(tmp_path)


def test_figures_of_vehicles_say_so(tmp_path):
    speak_of(VEHICLE)
    axes = reliability_diagram([(0.2, 0.1, 0.5), (0.8, 0.9, 0.5)], title="plates").axes[0]
    assert axes.get_ylabel() == "pairs that show one vehicle"
    assert "vehicles left out" in [text.get_text() for text in axes.get_legend().get_texts()]
    stamps = [{"stamp": {"kind": list(VEHICLE)}}, {"stamp": {"kind": list(VEHICLE)}}]
    (tmp_path / "metrics.json").write_text(json.dumps({"results": stamps}))
    assert kind_of_run(tmp_path) == VEHICLE
    assert kind_of_run(tmp_path / "unfinished") == PERSON


def test_a_table_of_several_kinds_is_of_objects(vehicles, tmp_path):
    lines = (vehicles / "reid.csv").read_text().splitlines()
    mixed = [lines[0], *(f"{vehicles}/{line}" for line in lines[1:])]
    (tmp_path / "reid.csv").write_text("\n".join(mixed[:9] + [line.replace(",vehicle", ",dog") for line in mixed[9:]]))
    assert read(tmp_path / "reid.csv").kind == OBJECT
    assert read(vehicles).kind == VEHICLE
    (tmp_path / "reid.csv").write_text("\n".join(line.rpartition(",")[0] for line in mixed))
    assert read(tmp_path / "reid.csv").kind == PERSON


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("queries' persons; Persons; A person", "queries' animals; Animals; An animal"),
        ("dataset.val_persons=3 sampler=person persons.csv person=…", "dataset.val_persons=3 sampler=person persons.csv person=…"),
        ("/data/person/1.jpg 'person' `persons` <person> (?P<person>…)", "/data/person/1.jpg 'person' `persons` <person> (?P<person>…)"),
        ("'other person' person-re-identification", "'other animal' animal-re-identification"),
    ],
)  # fmt: skip
def test_keys_paths_and_quoted_words_stay(text, expected):
    assert said(text, kind_of("animal")) == expected
    assert said(text, PERSON) == text


def test_the_plural_of_a_kind():
    assert [kind_of(word).several for word in ("bus", "city", "toy", "fish", "mouse", "person")] == [
        "buses", "cities", "toys", "fish", "mice", "persons",
    ]  # fmt: skip
    for word in (
        "buses",
        "cities",
        "toys",
        "fish",
        "mice",
        "persons",
        "vehicles",
        "foxes",
        "horses",
        "lenses",
        "glass",
    ):
        assert kind_of(kind_of(word).one) == kind_of(kind_of(word).several) == kind_of(word)
    assert kind_of("horses").one == "horse"
    assert kind_of("calf/calves") == Kind("calf", "calves")
    assert counted(2, *VEHICLE) == "2 vehicles"
