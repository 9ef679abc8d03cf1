"""When it happens: Prefect flows, deployments, and the command line. The only code that imports Prefect."""
