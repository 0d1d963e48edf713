"""The papers' claims as files: all are there, and what they print is what the papers' tables print."""

import pytest
import yaml

from reid_lit.errors import InputError
from reid_lit.evaluation import catalogue
from reid_lit.tables.claims.files import papers, read_claims, read_file
from reid_lit.tables.claims.spec import MEASURES, Claim, Row, points
from reid_lit.tables.spec import PAPER, SIZES, read_table, rows_of

LISTED = {
    "softmax": "softmax-shift softmax-dense softmax-hrnet softmax-hrnet-best softmax-circle softmax-instance softmax-triplet-map"
    " softmax-flip softmax-rerank",
    "strong": "strong-warmup strong-rea strong-ls strong-stride strong-bnneck strong-center strong-all strong-bnneck-most"
    " cross-warmup cross-rea-hurts cross-ls cross-stride cross-bnneck cross-center cross-without-rea cross-all"
    " neck-two-losses neck-bn-helps-id neck-bn-hurts-triplet neck-bnneck3 neck-best metric-ft metric-fi norms curves"
    " center-R-falls center-R-fi center-too-much rerank pcb-duke pcb-own aligned mgn camstyle-hurts depth se ibn-home ibn-abroad"
    " batch batch-K size",
    "stronger": "stronger-market stronger-synergy stronger-faster stronger-post",
    "cluster": "cluster-spcl cluster-infomap cluster-vit cluster-ghost cluster-ghost-source cluster-direct",
    "generalisation": "generalisation-erasing generalisation-ibn generalisation-mixstyle generalisation-shares"
    " generalisation-bau",
    "arn": "arn-private arn-labels arn-reconstruction arn-private-unlabelled arn-labels-matter-more arn-direct arn-pul",
    "embae": "embae-fix embae-new embae-cam embae-new-fix embae-cam-best embae-many-start embae-many-fix embae-many-new"
    " embae-many-cam embae-smaller-gain embae-many-end embae-pul embae-pul-gain embae-norm",
}
"""What a reading of the papers listed before the first measurement; files may have more, and none less."""
CLAIMS = [claim for paper in papers() for claim in read_claims(paper)]


def printed(row: Row, label: str, metric: str) -> float | None:
    """What a table prints of a row, in points; a misprint that the table corrects is corrected."""
    spec = read_table(row.table)
    entry = next((each for each in spec["rows"] if each["name"] == row.name), {})
    numbers = {**entry.get("published", {}).get(label, {}), **entry.get("corrected", {}).get(label, {})}
    if numbers.get(metric) is None:
        return None
    return points(
        metric, numbers[metric] / (100 if spec["unit"] == "percent" and not catalogue.is_ratio(metric) else 1)
    )


def computed(claim: Claim, label: str, metric: str) -> list[float | None]:
    """The differences that the tables' printed numbers give."""
    found = []
    for terms in claim.comparisons[PAPER]:
        numbers = [(sign, printed(row, label, metric)) for sign, row in terms]
        known = all(number is not None for _, number in numbers)
        found.append(sum(sign * number for sign, number in numbers) if known else None)
    return found


def test_every_listed_claim_is_there():
    assert set(papers()) == set(LISTED)
    for paper, names in LISTED.items():
        ids = [claim.id for claim in read_claims(paper)]
        assert set(names.split()) <= set(ids), set(names.split()) - set(ids)


def test_no_two_claims_share_an_id():
    ids = [claim.id for claim in CLAIMS]
    assert sorted(set(ids)) == sorted(ids)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_published_differences_are_those_of_the_tables(claim):
    labels = {
        label
        for row in claim.rows(PAPER)
        for entry in read_table(row.table)["rows"]
        if entry["name"] == row.name
        for label in entry.get("published", {})
    }
    for label in labels if not claim.only else claim.only:
        for metric in claim.metrics:
            found = computed(claim, label, metric)
            stated = claim.published.get(label, {}).get(metric)
            if all(number is None for number in found):
                assert stated is None or metric in MEASURES, (label, metric)
            else:
                assert stated == pytest.approx(found, abs=1e-6), (label, metric)
    for label, scores in claim.published.items():  # what is said beside the claim's own scores is right too
        for metric in set(scores) - set(claim.metrics):
            assert scores[metric] == pytest.approx(computed(claim, label, metric), abs=1e-6), (label, metric)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_a_published_number_lies_where_the_claim_says(claim):
    """But for one tie that the claim's note names."""
    for label, scores in claim.published.items():
        for metric in claim.metrics:
            for number in scores.get(metric, ()):
                if number is None or (claim.id, label, number) == ("strong-bnneck-most", "market1501", -0.1):
                    continue
                if claim.kind == "equivalent":
                    assert abs(number) <= claim.margin + 0.1 + 1e-9, (label, metric)
                else:
                    assert number > claim.bound, (label, metric)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_its_rows_are_rows_of_one_size_at_least(claim):
    def there(size):
        specs = [(row, read_table(row.table)) for row in claim.rows(size)]
        return all(
            (size == PAPER or size in spec) and row.name in {each["name"] for each in rows_of(spec, size)}
            for row, spec in specs
        )

    assert any(there(size) for size in SIZES)


GOOD = {
    "id": "strong-warmup", "place": "Table I", "says": "Warm-up helps", "kind": "order",
    "left": "strong/table1/+warmup", "right": "strong/table1/Baseline-S", "metrics": ["rank1", "mAP"],
    "published": {"market1501": {"rank1": 1.0, "mAP": 1.2}},
}  # fmt: skip


def written(tmp_path, **changes):
    claim = {key: value for key, value in (GOOD | changes).items() if value is not None}
    file = tmp_path / "strong.yaml"
    file.write_text(yaml.safe_dump({"paper": "strong", "source": "Luo et al. 2019", "claims": [claim]}))
    return file


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"metric": ["mAP"]}, "no key of a claim 'metric'; did you mean metrics"),
        ({"kind": "ordre"}, "kind=ordre: did you mean order"),
        ({"left": "strong/table1/+warm"}, "strong/table1: no row '+warm'; did you mean +warmup"),
        ({"left": "strong/table99/+warmup"}, "no table 'strong/table99'"),
        ({"left": "+warmup"}, "is no row; give <paper>/<table>/<row>"),
        ({"left": {"row": "strong/table1/+warmup"}}, "is no side"),
        ({"metrics": ["mAPs"]}, "metrics: no score 'mAPs'; did you mean mAP"),
        ({"metrics": []}, "metrics is missing"),
        ({"right": None}, "left or right is missing"),
        ({"says": None}, "says is missing"),
        ({"published": None}, "published is missing"),
        ({"published": {"market1501": {"mAP": [1.0, 2.0]}}}, "2 numbers for 1 comparisons"),
        ({"kind": "equivalent"}, "a claim of equivalence has a margin"),
        ({"margin": 1.0}, "a claim of equivalence has a margin"),
        ({"kind": "equivalent", "margin": 0}, "margin=0: give a number above 0"),
        ({"kind": "equivalent", "margin": 1, "beyond": 1}, "beyond is for claims of order"),
        ({"kind": "falls"}, "a claim that falls has series="),
        (
            {"real": {"right": ["strong/table1/Baseline-S", "strong/table1/+LS"]}},
            "real: 2 comparisons for 1 of the paper",
        ),
        ({"real": {"sides": 1}}, "no key of a size of a claim 'sides'"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, changes, words):
    with pytest.raises(InputError, match=r"strong\.yaml") as error:
        read_file(written(tmp_path, **changes))
    assert words in str(error.value)


def test_an_id_is_given_once(tmp_path):
    file = written(tmp_path)
    content = yaml.safe_load(file.read_text())
    content["claims"] *= 2
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match="id=strong-warmup: two claims have it"):
        read_file(file)


def test_an_unknown_paper():
    with pytest.raises(InputError, match="paper=strng: no paper with claims 'strng'; did you mean strong"):
        read_claims("strng")


def test_gains_and_series_are_sums_of_rows():
    claims = {claim.id: claim for claim in CLAIMS}
    gain = claims["embae-smaller-gain"].comparisons[PAPER]
    assert [(sign, str(row)) for sign, row in gain[0]] == [
        (1, "embae/table1/EmbAE-camnui"), (-1, "embae/table1/Baseline"),
        (-1, "embae/table2/EmbAE-camnui"), (1, "embae/table2/Baseline"),
    ]  # fmt: skip
    falls = claims["depth"].comparisons[PAPER]
    assert [[row.name for _, row in terms] for terms in falls] == [
        ["ResNet101", "ResNet50"], ["ResNet50", "ResNet34"], ["ResNet34", "ResNet18"],
    ]  # fmt: skip
    real = claims["arn-pul"].comparisons["real"]
    assert [str(row) for _, row in real[0]] == ["arn/table2/Ours", "embae/table3/Fine-tuned PUL"]
