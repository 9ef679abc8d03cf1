"""``ambivox ui``: the Prefect UI over this project's runs."""

from __future__ import annotations

from pathlib import Path


def ui(*, project: Path = Path(), host: str = "127.0.0.1", port: int = 4200) -> None:
    """Open this project's Prefect UI: every run, with its figures and pictures, in the browser. Ctrl-C ends it.

    Args:
        project: The folder that holds dvc.yaml.
        host: The address to listen on; the default is this machine alone.
        port: The port to listen on.
    """
    import os
    import socket
    import subprocess
    import sys

    from ambivox.flows import prefect_settings
    from ambivox.models.errors import UserError

    prefect_settings.check_project(project)
    prefect_settings.apply_settings(project)
    with socket.socket() as probe:
        if probe.connect_ex((host, port)) == 0:
            raise UserError(
                f"{host}:{port} is taken; a Prefect server may be there already, else choose another with --port"
            )
    note = prefect_settings.record_server(project, f"http://{host}:{port}/api")
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    print(f"Prefect UI: http://{host}:{port}  (Ctrl-C ends it; the runs stay)", flush=True)
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", host, "--port", str(port)]
    # Relative, so that the pages find their server through any port, tunnel or proxy that they came through.
    environment.setdefault("PREFECT_UI_API_URL", "/api")
    try:
        subprocess.run(command, env=environment, check=False)
    finally:
        note.unlink(missing_ok=True)
