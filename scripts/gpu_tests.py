"""The tests marked ``gpu``, counted: ``python scripts/gpu_tests.py`` ends with one line of JSON."""

import argparse
import json
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--collect-only", action="store_true", help="a dry run: count them")
    given = parser.parse_args()
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider"]
    if given.collect_only:
        listed = subprocess.run([*command, "--collect-only"], stdout=subprocess.PIPE, text=True, check=True).stdout
        print(json.dumps({"collected": sum("::" in line for line in listed.splitlines())}))
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "results.xml"
        code = subprocess.run([*command, f"--junitxml={file}"], check=False).returncode
        if code not in (0, 1):
            raise SystemExit(f"pytest ended with {code}")
        suite = next(ElementTree.parse(file).getroot().iter("testsuite"))
    counts = {word: int(suite.get(word, "0")) for word in ("tests", "failures", "errors", "skipped")}
    failed = [
        f"{case.get('classname')}::{case.get('name')}"
        for case in suite.iter("testcase")
        if case.find("failure") is not None or case.find("error") is not None
    ]
    print(json.dumps(counts | {"failed": failed}))


if __name__ == "__main__":
    main()
