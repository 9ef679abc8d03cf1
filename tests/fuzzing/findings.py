"""Inputs that once ended in a traceback, a hang, a crash or much memory: parser and content."""

from __future__ import annotations

import json

from tests.fuzzing.seeds_of_audio import audio

_DEEP = b"[" * 100_000
_DEEP_OBJECTS = b'{"a":' * 100_000
_LONG_NAME = "x" * 5000
_BLANKS = b" " * 40_000
_VOTES = b"file,rater,emotion\na.wav,lou,joy\na.wav,kim,other\nb.wav,kim,fear\na.wav,max,"

FINDINGS: tuple[tuple[str, bytes], ...] = (
    # Numbers that no table holds, halves of surrogate pairs, and nesting without end.
    *((name, b'[{"label": 1' + b"0" * 400 + b"}]") for name in ("json", "table-json", "label-studio-json")),
    *((name, b'[{"label": "\\ud800", "utterance_id": "\\ud800"}]') for name in ("json", "table-json", "label-studio-json")),
    *((name, _DEEP) for name in ("json", "jsonl", "label-studio-json", "label-schema-json", "mapping", "personas", "msp-podcast", "checks", "finetuned-card", "model-config", "model-index", "adapter-config", "store-space", "left-out-note", "exchange-labels", "server-tokens", "hosted-reply", "run-records", "cell", "answer-text")),
    *((name, _DEEP_OBJECTS) for name in ("json", "msp-podcast", "label-schema-json", "finetuned-card", "hosted-answer", "cell")),
    *((name, b"a = " + _DEEP) for name in ("mapping", "label-schema-toml", "personas")),
    # Messages of several lines, or with codes for a terminal.
    ("params", b"corpora: [\n"),
    ("table-preview", b"utterrance_id,]id,_id,audio,vote&a [*a]s\nu3,a.wav,\"['anger', 'joy']\"\nu2,b.'wav,\"{\"\"anger\"\": 2, \"\"joy\"\": 1}\"\n"),
    ("params", b"corpora:\n  demo: {corpus: demo, root: x, ingest: {keep_votes: 1" + b"0" * 400 + b"}, annotate: {}, pool: {}}\npretrain: {}\n"),
    ("params", b"corpora:\n  :\n    corpus: demo\n  7: {corpus: demo}\npretrain: {}\n"),
    ("params", b"a: b: c\n\x1b[2J"),
    ("params-conversion", b"corpora:\n\t- x"),
    ("setting", b"pool.criterion\n=x"),
    ("setting", b"pool.\x1b[31m=x"),
    # Objects of another shape.
    ("msp-podcast", b'{"\\ud800": {"w": {"EmoClass_Major": "Happy"}}}'),
    ("msp-podcast", b'{"a": {"\\udc00x": "Happy"}}'),
    ("msp-podcast", b"[1, 2]"),
    ("msp-podcast", b'{"a": [1, [2]]}'),
    ("msp-podcast", b'{"a": ["xy"], "b": {}}'),
    ("dvc-lock", b"stages: [1]"),
    ("dvc-lock", b"stages: {a: [1]}"),
    ("dvc-lock", b"stages: {a: {outs: [{md5: x}]}}"),
    ("dvc-lock", b"stages: {a: {outs: [{path: 1, md5: [..]}]}}"),
    ("run-records", b'{"process": 1e999, "started": ""}'),
    ("run-records", b"[]"),
    ("finetuned-card", b'{"labels": 5, "settings": {}}'),
    ("finetuned-card", b'{"settings": []}'),
    ("finetuned-card", b"[]"),
    ("server-tokens", b'{"tokens": [Infinity]}'),
    ("server-logprobs", json.dumps({"choices": [{"logprobs": {"content": [{"top_logprobs": [{"token": "token_id:5", "logprob": 10**400}]}]}}]}).encode()),
    # Names that no file can have.
    ("model-index", json.dumps({"weight_map": {"a": _LONG_NAME}}).encode()),
    ("model-index", b'{"weight_map": {"a": "x\\u0000y"}}'),
    ("model-index", b'{"weight_map": {"a": "../x"}}'),
    # Templates that are no templates.
    ("chat-template", b"{% for"),
    ("chat-template", b"{{ 1 / 0 }}"),
    ("chat-template", b"{{ messages.x.y }}"),
    ("chat-template", b"{{ raise_exception('a\nb') }}"),
    # A header with a number behind a character that is white space for patterns, and not for numbers.
    ("hosted-reply", b"\x1f0"),
    # One label of one utterance with a billion votes.
    ("table-list", b'utterance_id,audio,votes\nu1,a.wav,"{""anger"": 1000000000, ""joy"": 1}"\n'),
    ("table-list", b'utterance_id,audio,votes\nu1,a.wav,"{""anger"": Infinity}"\n'),
    # Numbers without bound in manifests, results of batches and lists of models, and codes that are no numbers.
    ("lhotse-recordings", json.dumps({"id": "r1", "sources": [{"type": "file", "channels": [0], "source": _LONG_NAME}], "sampling_rate": 16000, "num_samples": 32000, "duration": 2.0}).encode()),
    ("lhotse-supervisions", b'{"id": "u1", "recording_id": "r1", "start": 0, "duration": 1, "custom": {"votes": [{"label": "a", "weight": 1' + b"0" * 400 + b"}]}}"),
    ("lhotse-supervisions", b'{"id": "u1", "recording_id": "r1", "start": 0, "duration": 1, "channel": 9223372036854775808}'),
    ("lhotse-labels", b'{"labels": ' + _DEEP),
    ("lhotse-exported-labels", b'{"labels": ' + _DEEP),
    ("lhotse-exported-labels", b'{"labels": [[]], "distributions": 1, "ratings": 1}'),
    ("gemini-batch", b'{"key": "a", "error": {"code": [400]}}'),
    ("hosted-models", b'{"data": [{"id": "a", "pricing": {"prompt": 1' + b"0" * 400 + b', "completion": 0}}]}'),
    *((name, b"a: " + _DEEP) for name in ("software", "params", "params-conversion", "dvc-lock")),
    ("setting", b"pool.criterion=" + _DEEP),
    # Sets and dictionaries of what has no hash; a number in place of a list of errors.
    ("cell", b"{ []}"),
    ("cell", b"{[1]: 2}"),
    ("cell", b"{{}}"),
    ("openai-batch-state", b'{"id": "a", "status": "failed", "errors": {"data": -1}}'),
    ("openai-batch-state", b'{"id": "a", "status": "failed", "errors": {"data": true}}'),
    # Shares that no float holds, alone or in sum, as an ALM may write them.
    ("answer-text", b'{"A": 1' + b"0" * 400 + b', "B": 0}'),
    ("answer-text", b'{"A": 1e308, "B": 1e308}'),
    # Pieces of a stream that are no objects, and lists that are none.
    *(("hosted-reply", b'data: {"choices": ' + choices + b"}\n\ndata: [DONE]") for choices in (b"7", b"[7]", b"{}", b'[{"delta": "x"}]', b'[{"delta": [1]}]', b"true")),
    # A column whose name has thousands of words.
    *((name, b"utterance_id,audio,label,annotator_id," + b"a " * 4000 + b"\nu1,a.wav,joy,r1,1\n") for name in ("table-csv", "table-preview")),
    # Thousands of blanks, dashes or digits in a cell or a name, which patterns tried in every division.
    ("table-csv", _VOTES + b"other" + _BLANKS + b"x\n"),
    ("table-csv", _VOTES + b"joy" + _BLANKS + b"x\n"),
    ("table-csv", _VOTES + b"joy" + b"-" * 40_000 + b"x\n"),
    ("table-csv", b"file,kim" + _BLANKS + "é,lou".encode() + _BLANKS + "é\na.wav,joy,fear\nb.wav,joy,joy\n".encode()),
    ("table-csv", b"file," + b"9" * 40_000 + "é,".encode() + b"9" * 39_999 + "é\na.wav,joy,fear\nb.wav,joy,joy\n".encode()),
    ("table-csv", b"file,start_frame,end_frame,fps,rater,emotion\na.wav,0,1,25" + _BLANKS + b"x,kim,joy\na.wav,1,2,25,kim,fear\n"),
    ("table-list", b"utterance_id,audio,votes\nu1,a.wav,a" + _BLANKS + b"x;b\n"),
    # A path of thousands of folders, which one call each looked for.
    *(("table-preview", b"utterance_id,audio,annotator_id,label\nu1," + b"a/" * count + b"x.wav,r1,joy\n") for count in (2000, 20_000)),
    # Columns with billions of votes, and more than a number holds.
    ("crema-d", b'"","A","D","F","H","N","S","fileName"\n"100001",0,0,0,1,9999999999,0,"1001_IEO_NEU_XX"\n'),
    ("table-csv", b"file,anger,joy\na.wav,3000000000,1\nb.wav,1,2\n"),
    ("table-csv", b"file,anger,joy\na.wav," + b"9" * 400 + b",1\nb.wav,1,2\n"),
    # Numbers of votes that are possible each, and fill the memory together.
    ("table-csv", b"file,anger,joy\n" + b"".join(b"a%d.wav,99999,99999\n" % number for number in range(60))),
    ("table-list", b"utterance_id,audio,votes\n" + b"".join(b'u%d,a.wav,"{""a"": 99999, ""b"": 99999}"\n' % number for number in range(200))),
    ("crema-d", b'"","A","D","F","H","N","S","fileName"\n' + b"".join(b'"1%05d",99999,0,0,99999,0,0,"%04d_IEO_NEU_XX"\n' % (number, number) for number in range(60))),
    # Columns that are called like those of the result.
    *(("crema-d", b",A,D,F,H,N,S,fileName,%s\n100001,0,0,0,1,10,0,1001_IEO_NEU_XX,11\n" % name) for name in (b"utterance_id", b"number", b"votes", b"letter", b"line")),
    *(("msp-podcast-answers", b'FileName,EmoDetail,%s\nM_1_1.wav,"W5; Neutral; Neutral; A:2.0; V:5.0; D:4.0;",x\n' % name) for name in (b"1", b"2", b"_", b"EmoAct")),
    ("table-preview", b"file,kim,lou,max,ambivox:rows\na.wav,joy,fear,joy,x\nb.wav,calm,joy,joy,x\nc.wav,joy,fear,joy,x\n"),
    # Columns that Polars takes for patterns of columns.
    *((name, b"utterance_id,audio,label,%s\nu1,a.wav,joy,r1\nu1,b.wav,fear,r2\n" % pattern) for name in ("table-csv", "table-preview") for pattern in (b"*", b"^.*$", b"^l.*$", b"^$")),
    ("table-csv", b"^file.*$,rater,^l.*$\na.wav,kim,joy\nb.wav,kim,fear\n"),
    ("table-csv", b"file,^anger.*$,^joy.*$\na.wav,3,1\nb.wav,1,2\n"),
    *(("table-json", b'[{"id": "u1", "audio": "a.wav", "label": "joy", "%s": 1, "meta": {"*": 1, "^a$": 2}}]' % pattern) for pattern in (b"*", b"^.*$")),
    # A question of a survey in the place of a column of numbers.
    *((name, b'*,a.wav,weight\nResponse ID,a.wav - Which?,b.wav - Which?\n"{""ImportId"":""_r""}","{""ImportId"":""Q1""}","{""ImportId"":""Q2""}"\nR_1,joy,fear\nR_2,fear,fear\n') for name in ("table-csv", "table-preview")),
    # Log-probabilities that are no numbers, too large, too small, or of tokens that do not exclude each other.
    *((name, b'{"model": "m", "choices": [{"message": {"content": "A"}, "logprobs": {"content": [{"top_logprobs": [{"token": "token_id:5", "logprob": %s}, {"token": "B", "logprob": %s}]}]}}]}' % (value, value)) for name in ("hosted-answer", "hosted-reply", "server-logprobs") for value in (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e308", b"500", b"0.0")),
    *(("hosted-journal-row", b'{"text": "B\\ud800", "model": "m", "usage": {}, "refused": false, "top_logprobs": [["B", %s]]}' % value) for value in (b"NaN", b"-Infinity", b"1e999", b"1" + b"0" * 400, b'"x"')),
    *(("hosted-journal-row", b'{"text": "B", "model": "m", "usage": {"text": %s}, "refused": false, "top_logprobs": []}' % value) for value in (b"NaN", b"1e999", b'"x"', b"[]")),
    *(("hosted-journal-row", content) for content in (b"", b"{", b"{}", b"7", _DEEP, _DEEP_OBJECTS)),
    # Halves of surrogate pairs in answers, and in names of models and batches.
    *((name, b'{"model": "m\\ud800", "choices": [{"message": {"content": "A \\ud83d", "refusal": "\\udc00"}}]}') for name in ("hosted-answer", "hosted-reply", "server-text")),
    ("server-kind", b'{"data": [{"id": "m\\ud800", "owned_by": "vllm"}], "version": "1\\ud800"}'),
    ("openai-batch-state", b'{"id": "a\\ud800", "status": "failed", "output_file_id": "\\ud800"}'),
    # Waits, and dates that no clock has.
    *(("hosted-reply", date) for date in (b"Fri, 31 Dec 9999 23:59:59 GMT", b"Mon, 01 Jan 0001 00:00:00 -0000", b"Mon, 01 Jan 2030 0:0:0 +9999", b"Mon,", b"9" * 30)),
    # Two thousand columns of one name.
    ("table-votes", b"clip;calm;" + b"joy," * 2000 + b"\nu1;1;" + b"joy," * 2000 + b"\n"),
    # Lists in the place of ids.
    *(("table-json", b'[{"utterance_id": %s, "audio": "a.wav", "annotator_id": "r1", "label": "anger"}]' % value) for value in (b"[null]", b'["u1"]', b'{"a": 1}')),
    # Tags of a sheet without an end, and megabytes behind an MP3 that are none.
    ("table-workbook-xml", b"<sheetData>" + b"<row " * 20_000),
    ("table-workbook-xml", b"<sheetData><row " + b' hidden="1"' * 9_000),
    ("probe", audio("MP3") + bytes(8_000_000)),
)  # fmt: skip
