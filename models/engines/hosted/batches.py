"""Many requests as batch files, at a lower price: submitted, polled across restarts, checked, and fetched.

Providers have answered under the wrong ``custom_id``. So the rows of a file are shuffled, and among them are canaries:
letters about clips that were asked alone before, at temperature 0. A batch in which they do not fit is refused, and so is
one with a row twice or of another batch.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial

from ambivox.models.counted import counted
from ambivox.models.engines._bounded_http import first_words
from ambivox.models.engines.hosted.answer import Answer, Usage
from ambivox.models.engines.hosted.asker import Asker
from ambivox.models.engines.hosted.batch_api import BatchApi, BatchState
from ambivox.models.engines.hosted.batch_files import Canary, batch_files, letter_of
from ambivox.models.engines.hosted.batch_jobs import BatchJobs, Job, Row
from ambivox.models.engines.hosted.limits import MAX_OPEN
from ambivox.models.engines.hosted.planned import LETTER_TOKENS, Planned
from ambivox.models.errors import UserError
from ambivox.models.parallel import in_parallel

_logger = logging.getLogger(__name__)
# Of a batch whose answers are under the wrong names, about the share of the most frequent letter fits by chance.
_FITTING_SHARE = 0.75
_CANARIES = 20
# Fewer requests are asked one by one.
_FEWEST = 40
_FIRST_POLL_SECONDS, _MAX_POLL_SECONDS = 2.0, 60.0


class Batches:
    """The batches of one engine.

    Args:
        api: the calls.
        jobs: the batches that are not fetched yet.
        asker: asks the canaries alone, and keeps the answers.
    """

    def __init__(self, api: BatchApi, jobs: BatchJobs, asker: Asker) -> None:
        self._api = api
        self._jobs = jobs
        self._asker = asker

    def submit(self, planned: Sequence[Planned]) -> None:
        """Submit what is neither answered nor in a batch yet; nothing is waited for.

        Args:
            planned: the requests.

        Raises:
            UserError: the limit of cost would be exceeded, or the provider takes no batches.
        """
        pending = {row.key for job in self._jobs.open() for row in job.rows.values()}
        unanswered = {each.key: each for each in planned if self._asker.journal.find(each.key) is None}
        missing = [each for key, each in unanswered.items() if key not in pending]
        if len(missing) < _FEWEST:
            return
        canaries = self._canaries(missing)
        self._check_cost(len(missing) + len(canaries), len(pending))
        for file in batch_files(missing, canaries, self._asker.api.accepted, self._api):
            self._jobs.add(file.job)
            self._jobs.set_state(file.job, "submitted", self._api.start(file.content, file.job.name).id)
            _logger.info(
                f"{counted(len(file.job.rows), 'request is', 'requests are')} submitted as the batch {file.job.name}"
            )

    def wait(self, keys: Collection[str]) -> None:
        """Fetch the batches that hold any of these requests, when they have ended.

        Args:
            keys: the requests.

        Raises:
            UserError: a batch failed as a whole, or is refused as its canaries do not fit.
        """
        poll, announced = _FIRST_POLL_SECONDS, 0
        asked = set(keys)
        while jobs := [
            job for job in self._jobs.open() if any(row.key in asked for row in job.rows.values())
        ]:
            has_ended = [self._has_fetched(job) for job in jobs]
            if not any(has_ended):
                if announced != len(jobs):
                    announced = len(jobs)
                    _logger.info(
                        f"waiting for {announced} batches; a run that is stopped fetches them when it is resumed"
                    )
                time.sleep(poll)
                poll = min(2 * poll, _MAX_POLL_SECONDS)

    def close(self) -> None:
        """Close the connections and the file."""
        self._api.close()
        self._jobs.close()

    def _has_fetched(self, job: Job) -> bool:
        """Whether a batch has ended; its answers are accepted then."""
        if not job.batch:  # the process ended while it was submitted
            submitted = self._api.find(job.name)
            if submitted is None:
                self._jobs.set_state(job, "failed")
                return True
            self._jobs.set_state(job, "submitted", submitted.id)
            job = replace(job, batch=submitted.id)
        state = self._api.state(job.batch)
        if not state.has_ended:
            return False
        if state.status == "failed":
            self._jobs.set_state(job, "failed")
            raise UserError(
                f"{self._api.place}: the batch {first_words(job.batch)} failed "
                f"({first_words(state.reason) or 'no reason given'}); leave --batch out to ask one by one"
            )
        answers = self._checked(job, state)
        for row, answer in answers:
            estimate = Usage(row.text_tokens, row.audio_tokens, output=LETTER_TOKENS)
            self._asker.keep(row.key, row.audio_name, answer, estimate)
        self._jobs.set_state(job, "done")
        _logger.info(
            f"the batch {job.name} is {state.status}: {len(answers)} of {len(job.rows)} requests are answered"
        )
        return True

    def _checked(self, job: Job, state: BatchState) -> list[tuple[Row, Answer]]:
        """The answers of a batch, once it is certain that they are under the right names."""
        seen: dict[str, Answer | None] = {}
        for name, answer in self._api.answers(state):
            if name not in job.rows and name not in job.canaries:
                raise self._refused(job, f"it answers {first_words(name)!r}, which was not asked")
            if name in seen:
                raise self._refused(job, f"it answers {name} twice")
            seen[name] = answer
        heard = {name: seen.get(name) for name in job.canaries}
        answered = [
            (job.canaries[name], answer) for name, answer in heard.items() if answer and not answer.refused
        ]
        fitting = sum(letter_of(answer.text) == known for known, answer in answered)
        if fitting < _FITTING_SHARE * len(answered):
            raise self._refused(
                job,
                f"{fitting} of {len(answered)} canary clips have the answer that they had when asked alone",
            )
        return [(row, answer) for name, row in job.rows.items() if (answer := seen.get(name)) is not None]

    def _canaries(self, planned: Sequence[Planned]) -> list[Canary]:
        """Clips of these requests, with the letter that the ALM gives when it is asked alone at temperature 0."""
        parameters = {"max_tokens": LETTER_TOKENS, "temperature": 0.0, "seed": 0}
        asked = []
        for each in list({each.audio_name: each for each in planned}.values())[:_CANARIES]:
            prompt = replace(each.request.prompt, elicitation="sampled")
            asked.append(replace(each, request=replace(each.request, prompt=prompt), parameters=parameters))
        answers = in_parallel((partial(self._asker.ask, each) for each in asked), MAX_OPEN)
        known = [
            Canary(each, letter)
            for each, answer in zip(asked, answers, strict=True)
            if not answer.refused and (letter := letter_of(answer.text))
        ]
        alike = max(Counter(canary.letter for canary in known).values(), default=0)
        if alike >= _FITTING_SHARE * len(known):
            _logger.warning(
                "most canary clips have the same answer, so they may not tell a batch that is mixed up"
            )
        return known

    def _check_cost(self, further: int, pending: int) -> None:
        meter, limit = self._asker.meter, self._asker.choice.max_cost
        spent, cost = meter.cost, meter.cost_of(further + pending, in_batch=True)
        if spent is not None and cost is not None and limit is not None and spent + cost > limit:
            raise UserError(
                f"{further} requests in a batch would bring the cost to about {spent + cost:.2f} USD, above the {limit:g} "
                "USD of --max-cost; paid answers are kept; raise --max-cost to go on"
            )

    def _refused(self, job: Job, reason: str) -> UserError:
        self._jobs.set_state(job, "refused")
        return UserError(
            f"{self._api.place}: the answers of the batch {first_words(job.batch)} are not those to its requests "
            f"({reason}), so none is used; leave --batch out to ask one by one"
        )
