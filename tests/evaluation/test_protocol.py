import subprocess
import sys


def test_the_protocol_is_imported_without_torch():
    """A page, a report or a list of choices may read it at once."""
    code = "import sys; sys.modules.update(torch=None, jaxtyping=None); import reid_lit.evaluation.protocol"
    subprocess.run([sys.executable, "-c", code], check=True)
