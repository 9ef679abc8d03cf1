"""ALMs behind an OpenAI-compatible API: providers, gateways, and local servers that are not vLLM.

Answers cost money, so each is written to a journal (journal.py) as it arrives: a run that is killed loses only the
requests in flight, and the same request is never paid twice. What was spent is kept there, too.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from ambivox.models.alms import resolve
from ambivox.models.counted import counted
from ambivox.models.engines import EngineChoice
from ambivox.models.engines._bounded_http import api_key, check_address, shown_address
from ambivox.models.engines.hosted.api import Api
from ambivox.models.engines.hosted.asker import Asker
from ambivox.models.engines.hosted.batch_jobs import BatchJobs
from ambivox.models.engines.hosted.batches import Batches
from ambivox.models.engines.hosted.engine import HostedEngine
from ambivox.models.engines.hosted.gemini_batch import GeminiBatch
from ambivox.models.engines.hosted.journal import Journal
from ambivox.models.engines.hosted.openai_batch import OpenAiBatch
from ambivox.models.errors import UserError
from ambivox.models.http_environment import check_http_environment
from ambivox.models.prompting.alm_spec import ResolvedAlm
from ambivox.models.prompting.hosted_spec import Hosted

_logger = logging.getLogger(__name__)


def start(choice: EngineChoice) -> HostedEngine:
    """Prepare the connection; nothing is sent.

    Args:
        choice: the ALM, and for ``hosted:MODEL`` the address of its server.

    Returns:
        The engine.

    Raises:
        UserError: the ALM is no hosted one, its key cannot be sent, its server has no address, or the
            environment names proxies or certificates that cannot be used.
    """
    check_http_environment()
    resolved = resolve(choice.alm)
    hosted = _reached_at(resolved, choice)
    key = api_key(hosted.key_variable)
    api = Api(hosted, key, choice.server_timeout_seconds)
    journal = Journal(choice.journal, hosted.base_url, hosted.model, choice.answered_by)
    asker = Asker(api, journal, choice)
    jobs = BatchJobs(choice.journal, journal.asked)
    batches = None
    if choice.batch:
        implementation = GeminiBatch if hosted.batch_api == "gemini" else OpenAiBatch
        batches = Batches(implementation(hosted, key, choice.server_timeout_seconds), jobs, asker)
    elif pending := jobs.open():
        _logger.warning(
            f"{counted(len(pending), 'batch is', 'batches are')} not fetched yet: without --batch, their requests are paid twice"
        )
    return HostedEngine(asker, batches, resolved.alm, version(choice))


def version(choice: EngineChoice) -> str:
    """The provider's host and the model, such as "hosted api.openai.com gpt-audio-1.5".

    Args:
        choice: the ALM, and for ``hosted:MODEL`` the address of its server.

    Raises:
        UserError: see ``start``.
    """
    hosted = _reached_at(resolve(choice.alm), choice)
    host = shown_address(hosted.base_url).partition("://")[2].partition("/")[0]
    return f"hosted {host} {choice.answered_by or hosted.model}"


def _reached_at(resolved: ResolvedAlm, choice: EngineChoice) -> Hosted:
    """The specification with the address and the prices that the user gives."""
    hosted = resolved.alm.hosted
    if hosted is None:
        raise UserError(
            f"--engine hosted takes an ALM that is reached by an API, found {resolved.name}; expected hosted:MODEL with "
            "--server URL, or a hosted ALM of models/alms/"
        )
    address = choice.url or hosted.base_url
    if not address:
        raise UserError(
            f"the hosted ALM {hosted.model} needs --server with the address of its API, such as https://host/v1"
        )
    return replace(hosted.with_prices(choice.prices), base_url=check_address(address))
