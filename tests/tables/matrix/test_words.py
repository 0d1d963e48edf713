import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from reid_lit.overrides import literal
from reid_lit.paths import packaged
from reid_lit.tables.matrix.words import MatrixError, NamedDataset, chosen_methods, read_datasets, read_methods

PLAZA = NamedDataset(
    name="plaza", option="synthetic", changes={"world": "plaza"}, counts={"cameras": 6, "clusters": 100}
)
WARD = NamedDataset(name="ward", option="ward")
KNOWN = {
    "direct": {"set": ["+experiment=a", "dataset=<source>"]},
    "coder": {"set": ["+experiment=b", "dataset=<source>"], "start": "direct", "gives": "model.weights"},
    "adapted": {"set": ["+experiment=c", "dataset=<target>"], "start": "coder", "gives": "model.weights"},
    "other": {"set": ["+experiment=d", "dataset.source=<source>", "dataset.target=<target>"], "beside": "direct"},
}


def test_a_data_set_is_chosen_with_what_differs_or_given_in_place_of_a_mapping():
    assert PLAZA.chosen() == ["dataset=synthetic", "dataset.world=plaza"]
    assert WARD.chosen() == ["dataset=ward"]
    assert PLAZA.assigned("dataset.source") == ["~dataset.source", "+dataset.source={dataset: synthetic, world: plaza}"]
    assert WARD.assigned("dataset.source") == ["dataset.source=ward"]


@pytest.mark.parametrize(
    "value",
    [
        {"dataset": "ward", "root": 'C:/my "data", {all}'},
        ["a", {"b": [1, 2.5, None, True]}],
        "null",
        "1e3",
        "x y",
        "Märkte",
    ],
)
def test_a_literal_is_read_back_by_hydra_as_it_was(value):
    assert OverridesParser.create().parse_override(f"key={literal(value)}").value() == value


def test_placeholders_are_filled():
    method = read_methods(
        {
            "m": {
                "set": [
                    "+experiment=x",
                    "dataset=<target>",
                    "dataset.source=<source>",
                    "model.cameras=<source.cameras>",
                    "model.clusters=<source.clusters>",
                ]
            }
        }
    )["m"]
    assert method.filled(PLAZA, WARD) == [
        "+experiment=x", "dataset=ward", "~dataset.source", "+dataset.source={dataset: synthetic, world: plaza}",
        "model.cameras=6", "model.clusters=100",
    ]  # fmt: skip
    with pytest.raises(MatrixError, match="how many cameras has ward"):
        method.filled(WARD, PLAZA)


def test_whoever_is_compared_with_is_shown_first_and_once():
    methods = read_methods(KNOWN)
    assert methods["adapted"].beside == "direct"
    assert methods["direct"].beside is None
    assert [m.name for m in chosen_methods(["adapted", "other"], methods)] == ["direct", "adapted", "other"]
    assert [name for name, method in methods.items() if method.of_source] == ["direct", "coder"]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"sett": ["x=1"]}, "no key sett"),
        ({"set": []}, "it needs set"),
        ({"set": ["x=1"], "start": "direct"}, "gives"),
        ({"set": ["x=<target>"], "start": "dirct", "gives": "model.weights"}, "did you mean direct"),
        ({"set": ["x=<source>"], "start": "adapted", "gives": "model.weights"}, "names no <target>"),
    ],
)
def test_a_method_that_cannot_be_is_refused(said, message):
    with pytest.raises(MatrixError, match=message):
        read_methods({**KNOWN, "new": said})


def test_words_that_nobody_knows_get_near_names():
    with pytest.raises(MatrixError, match="no data set 'plazza'; did you mean plaza"):
        read_datasets(["plazza"], {"plaza": {"dataset": "synthetic"}}, ["ward"])
    with pytest.raises(MatrixError, match="no method 'adpted'; did you mean adapted"):
        chosen_methods(["adpted"], read_methods(KNOWN))
    with pytest.raises(MatrixError, match=r"^ward stands twice in ward, viper, ward; name each"):
        read_datasets(["ward", "viper", "ward"], {}, ["ward", "viper"])


def test_clusters_of_papers_start_from_a_network_whose_neck_fits_and_have_the_iterations_of_their_target(compose):
    size = OmegaConf.to_container(OmegaConf.load(packaged("conf") / "matrix.yaml").sizes.paper)
    source, target = read_datasets(["market1501", "msmt17"], size["datasets"], [])
    methods = read_methods(size["methods"])
    method = methods["cluster"]
    ours, start = (compose(*each.filled(source, target)) for each in (method, methods[method.start]))
    assert {**ours.backbone, "weights": None} == {**start.backbone, "weights": None}
    assert {**ours.neck.build, "classifier": None} == {**start.neck.build, "classifier": None}
    assert ours.sampler.iterations == 400
