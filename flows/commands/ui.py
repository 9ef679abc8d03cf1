"""``ambivox ui``: the Prefect UI over this project's runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ambivox.models.number_ranges import Range


def ui(
    *, project: Path = Path(), host: str = "127.0.0.1", port: Annotated[int, Range(1, 65_535)] = 4200
) -> None:
    """Open this project's Prefect UI: every run, with its figures and pictures, in the browser. Ctrl-C ends it.

    Args:
        project: The folder that holds dvc.yaml.
        host: The address to listen on; the default is this machine alone. Others need a password:
            PREFECT_SERVER_API_AUTH_STRING=user:password.
        port: The port to listen on.
    """
    import contextlib
    import logging
    import os
    import socket

    from ambivox.flows import prefect_settings, run_records
    from ambivox.flows.prefect_server import PrefectServer, check_database
    from ambivox.flows.project_watch import ends_without
    from ambivox.flows.server_access import addresses, check_host, url_host
    from ambivox.models.errors import UserError
    from ambivox.models.processes.interruption import ended_by

    logger = logging.getLogger(__name__)
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    check_host(host)
    listened = addresses(host, port)
    prefect_settings.check_project(project)
    os.environ.pop("PREFECT_API_URL", None)
    prefect_settings.apply_settings(project)
    for family, address in listened:
        with contextlib.suppress(OSError), socket.socket(family) as probe:  # a machine may lack IPv6
            probe.settimeout(2.0)
            if probe.connect_ex(address) == 0:
                raise UserError(
                    f"{url_host(host)}:{port} is taken; a Prefect server may be there already, else choose another with --port"
                )
    if note := check_database(project):
        logger.warning(note)
    server = PrefectServer.start(project, host, port, with_ui=True)
    url_file = prefect_settings.record_server(project, server.url)

    def end() -> None:
        url_file.unlink(missing_ok=True)
        server.stop()

    with ended_by(end), ends_without(project):
        try:
            server.wait()
            run_records.close_ended_runs(project, server.url)
            logger.info(f"Prefect UI: http://{url_host(host)}:{port}  (Ctrl-C ends it; the runs stay)")
            server.wait_for_its_end()
        finally:
            end()
