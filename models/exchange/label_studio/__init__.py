"""Label Studio (labelstud.io): a labelling project for human annotators, and the votes from its result.

``write`` makes ``config.xml``, the labelling interface, and ``tasks.json``, which Label Studio's import takes as it is.
``read_votes`` reads the JSON, JSON-MIN, CSV or TSV export of the finished project. An ALM's distribution becomes a
prediction, which annotators see before they choose and which biases them: leave distributions out where independent
votes are needed.

A task as it is written, and as the JSON export returns it:

    {"data": {"audio": "/data/local-files/?d=a.wav", "utterance_id": "u1", "transcript": ""},
     "annotations": [{"result": [{"value": {"choices": ["anger"]}, "meta": {"annotator_id": "rater 7"}}]}],
     "predictions": [{"result": [{"value": {"choices": ["anger"]}}]}]}
    {"data": {"audio": "/data/local-files/?d=a.wav", "utterance_id": "u1", "transcript": ""},
     "annotations": [{"completed_by": 1, "updated_at": "2026-03-09T22:16:08Z",
                      "result": [{"from_name": "emotion", "value": {"choices": ["anger"]}}]}]}

Label Studio refuses a whole file where an annotation names the e-mail address of someone who is not a member of the
project, or where a value that the interface shows is null. So annotators are named in ``meta``, which Label Studio
keeps, and a missing transcript is an empty text.
"""

from ambivox.models.exchange.label_studio.tasks import CHOICES_NAME, LOCAL_FILES, write, write_project
from ambivox.models.exchange.label_studio.votes import read_votes

__all__ = ["CHOICES_NAME", "LOCAL_FILES", "read_votes", "write", "write_project"]
