"""Run a command beside a PostgreSQL server of its own.

    python tools/with_postgresql.py FOLDER COMMAND ...

The server keeps its data in FOLDER, which is made at the first run, and listens on a free port of the
loopback interface as long as the command runs. The command finds it by the variables that every PostgreSQL
client reads (PGHOST, PGPORT, PGUSER, PGDATABASE, PGPASSFILE); the database has the extension that a Butler
registry needs. The server's programs are looked for in $POSTGRESQL_BIN, on the path, and where Debian's
package ``postgresql`` puts them.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_USER = "butler"
_MISSING = (
    "there is no PostgreSQL server on this machine: install Debian's package postgresql, or name the folder "
    "of initdb in POSTGRESQL_BIN"
)


def find_server() -> Path | None:
    """Return the folder of the server's programs, None if there is none."""
    named = os.environ.get("POSTGRESQL_BIN")
    if named:
        return Path(named)
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(versions, key=lambda path: int(path.parts[-3]), default=None)
    return None if newest is None else newest.parent


@contextlib.contextmanager
def running_server(folder: Path) -> Iterator[dict[str, str]]:
    """Run a server.

    Parameters
    ----------
    folder
        Where its data are; made if need be.

    Yields
    ------
    dict
        The environment variables by which clients find it.

    Raises
    ------
    FileNotFoundError
        Raised if PostgreSQL is not installed.
    subprocess.CalledProcessError
        Raised if the server does not start; why is in ``server.log`` in the folder.
    """
    programs = find_server()
    if programs is None:
        raise FileNotFoundError(_MISSING)
    folder.mkdir(parents=True, exist_ok=True)
    data, passwords, log = (
        folder.resolve() / "data",
        folder.resolve() / "pgpass",
        folder.resolve() / "server.log",
    )
    account = _account()

    def run(program: str, *words: str) -> None:
        subprocess.run(
            [programs / program, *words], check=True, stdout=subprocess.DEVNULL, cwd=data, **account
        )

    if not passwords.exists():
        _initialize(run, data, passwords, account)
    log.touch()
    _give(log, account)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
    run("pg_ctl", "start", "-w", "-D", ".", "-l", str(log), "-o", settings)
    clients = {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(port),
        "PGUSER": _USER,
        "PGDATABASE": "postgres",
        "PGPASSFILE": str(passwords),
    }
    try:
        subprocess.run(
            [programs / "psql", "-q", "-c", "CREATE EXTENSION IF NOT EXISTS btree_gist"],
            check=True,
            env=os.environ | clients | {"PGOPTIONS": "-c client_min_messages=warning"},
        )
        yield clients
    finally:
        run("pg_ctl", "stop", "-m", "fast", "-D", ".")


def _initialize(run: Callable[..., None], data: Path, passwords: Path, account: dict[str, Any]) -> None:
    """Make the database files, and the file with the password of their owner."""
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(mode=0o700)
    _give(data, account)
    password = secrets.token_hex()
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(password)
        file.flush()
        _give(Path(file.name), account)
        words = ("--auth=scram-sha-256", f"--username={_USER}", f"--pwfile={file.name}", "--no-sync")
        run("initdb", "-D", ".", *words)
    passwords.touch(mode=0o600)
    passwords.write_text(f"127.0.0.1:*:*:{_USER}:{password}\n")


def _give(path: Path, account: dict[str, Any]) -> None:
    if account:
        shutil.chown(path, account["user"])


def _account() -> dict[str, Any]:
    """Return whom the server runs as, for `subprocess`: PostgreSQL refuses to be run by root."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = "postgres" if "postgres" in names else "nobody"
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def main() -> int:
    """Run the command of the command line; return its exit status."""
    folder, *command = sys.argv[1:]
    with running_server(Path(folder)) as clients:
        return subprocess.run(command, env=os.environ | clients, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
