"""The decorator of all flows: Prefect's own, for flows that say in one line when its server goes away."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, Self, TypeVar

import prefect
from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner

from ambivox.flows.server_outage import named_outages

P = ParamSpec("P")
R = TypeVar("R")


class NamingFlow(prefect.Flow[P, R]):
    """A flow that raises an ``OutageError`` where Prefect's server goes away.

    A deployment's worker runs the function, and reports what it raises as soon as the server answers again. A caller in
    Python also meets what Prefect raises when it reports the end of the flow.
    """

    def __init__(self, fn: Callable[P, R], **options: Any) -> None:
        """Take the function of the flow, and ``prefect.flow``'s options."""
        super().__init__(fn, **options)
        self.fn = _naming(fn)

    def __call__(self, *args: Any, **parameters: Any) -> Any:
        """Run the flow; see ``prefect.Flow``."""
        with named_outages():
            return super().__call__(*args, **parameters)

    def with_options(self, **options: Any) -> Self:
        """A flow like this one with other options; see ``prefect.Flow``."""
        changed = super().with_options(**options)
        changed.__class__ = type(self)  # Prefect makes one of its own class
        return changed  # type: ignore[return-value]


def _naming(fn: Callable[P, R]) -> Callable[P, R]:
    """A function that names outages; one that Ray can send to its workers, which the context manager's own wrapper is not."""

    @functools.wraps(fn)
    def named(*args: P.args, **parameters: P.kwargs) -> R:
        with named_outages():
            return fn(*args, **parameters)

    # Prefect looks for the types of parameters by their names, and would do so in this module.
    named.__signature__ = inspect.signature(fn, eval_str=True)  # type: ignore[attr-defined]
    return named


def flow(
    *,
    name: str,
    flow_run_name: str | Callable[[], str],
    task_runner: TaskRunner[PrefectFuture[Any]] | None = None,
) -> Callable[[Callable[P, R]], NamingFlow[P, R]]:
    """Make a function a flow.

    Args:
        name: The name of the flow.
        flow_run_name: The name of its runs, with parameters in braces, or what returns it.
        task_runner: What runs its tasks; by default threads.
    """
    return functools.partial(NamingFlow, name=name, flow_run_name=flow_run_name, task_runner=task_runner)
