"""A page is written without the packages that train and draw: they take seconds to import."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "pytorch_lightning", "torchmetrics", "timm", "matplotlib", "wandb", "pandas", "hydra")


def alone(code):
    """Run ``code`` in a process where none of the heavy packages can be imported."""
    blocked = f"import sys; sys.modules.update(dict.fromkeys({HEAVY}))\n"
    done = subprocess.run(
        [sys.executable, "-c", blocked + code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_page_of_a_run(run):
    page = run / "page.html"
    alone(
        "from pathlib import Path\n"
        "from reid_lit.pages.run import run_page\n"
        "from reid_lit.pages.thumbnails import ThumbnailSize\n"
        f"run_page(Path({str(run)!r}), Path({str(page)!r}), ThumbnailSize(width=8, height=16, quality=50), embed=True)"
    )
    assert "rank-1" in page.read_text()


def test_page_of_a_table(tmp_path):
    report = {"title": "t", "source": "s", "unit": "percent", "metrics": ["mAP"], "rows": []}
    alone(
        "import json\nfrom pathlib import Path\n"
        "from reid_lit.pages.table import table_page\n"
        f"table_page(json.loads({json.dumps(report)!r}), Path({str(tmp_path)!r}))"
    )
    assert (tmp_path / "report.html").is_file()


@pytest.mark.parametrize("module", ["run.results", "run.detail_tables", "run.folder", "evaluation.catalogue"])
def test_what_only_formats_results(module):
    alone(f"import reid_lit.{module}")
