"""The parsers at the edge: everything that reads files, tables, model folders or replies that others wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ambivox.models.audio.audio_error import AudioError
from ambivox.models.engines._bounded_http import InvalidResponseError, Response
from tests.fuzzing import parsers_of_tables, parsers_of_tools, seeds
from tests.fuzzing.campaign import Parser
from tests.fuzzing.seeds_of_audio import audio, unusual


def _file(name: str, read: Callable[[Path], object]) -> Callable[[bytes, Path], object]:
    """A reader of a file of that name."""

    def call(content: bytes, folder: Path) -> object:
        path = folder / name
        path.write_bytes(content)
        return read(path)

    return call


def _text(read: Callable[[str], object]) -> Callable[[bytes, Path], object]:
    return lambda content, _folder: read(content.decode("utf-8", "replace"))


def _json(*values: Any) -> tuple[bytes, ...]:
    return tuple(json.dumps(value).encode() for value in values)


def _prompt() -> Any:
    from ambivox.models.prompting.personas import Persona
    from ambivox.models.prompting.prompts import Prompt

    return Prompt(Persona("a", ""), (2, 0, 1), seeds.LABELS)


def _parameters(content: bytes, folder: Path) -> None:
    from ambivox.flows.params_file import load
    from ambivox.flows.stage_arguments import stage_call

    (folder / "params.yaml").write_bytes(content)
    load(folder)
    for stage in ("ingest@demo", "annotate@demo", "pool@demo", "pretrain@demo"):
        stage_call(folder, stage)


def _converted_parameters(content: bytes, folder: Path) -> None:
    from ambivox.flows.params_conversion import convert

    (folder / "params.yaml").write_bytes(content)
    convert(folder)


def _setting(content: bytes, _folder: Path) -> None:
    from ambivox.flows.step_options import parse_settings

    parse_settings((content.decode("utf-8", "replace"),))


def _label_studio(path: Path) -> None:
    from ambivox.models.exchange.label_studio import read_votes

    read_votes(path, _listed(), control="emotion", id_field="utterance_id")


@cache
def _listed() -> Any:
    return seeds.utterances()


def _model_folder(content: bytes, folder: Path) -> None:
    from ambivox.models.alms import resolve

    model = folder / "model"
    model.mkdir(exist_ok=True)
    (model / "config.json").write_bytes(content)
    (model / "model.safetensors").write_bytes(seeds.safetensors())
    resolve(str(model))


def _index(content: bytes, folder: Path) -> None:
    from ambivox.models.prompting.model_files import check_weights

    model = folder / "model"
    model.mkdir(exist_ok=True)
    (model / "model.safetensors.index.json").write_bytes(content)
    (model / "model.safetensors").write_bytes(seeds.safetensors())
    check_weights(model, None)


def _adapter(content: bytes, folder: Path) -> None:
    from ambivox.models.prompting.model_folder import read_config

    model = folder / "adapter"
    model.mkdir(exist_ok=True)
    (model / "adapter_config.json").write_bytes(content)
    read_config(model)


def _reply(parse: Callable[[Any], object]) -> Callable[[bytes, Path], object]:
    return lambda content, _folder: parse(Response(200, {}, content).json())


def _server_kind(content: bytes, _folder: Path) -> None:
    from ambivox.models.engines import _server_marks as marks

    for status in (200, 404):
        replies = {
            path: Response(status, {"content-type": "application/json"}, content)
            for path in (
                "/version",
                "/v1/models",
                "/props",
                "/info",
                "/health/readiness",
                "/server_info",
                "/api/version",
                "/",
            )
        }
        marks.name_by_marks(replies, "localhost")
        marks.reported_version(replies)
        marks.model_entries(replies["/v1/models"])
        marks.name_by_owner(replies["/v1/models"])
        marks.refusal(replies["/version"], "secret")


def _hosted_reply(content: bytes, _folder: Path) -> None:
    from ambivox.models.engines.hosted import api

    for status in (200, 400, 429, 500):
        response = Response(status, {"retry-after": content[:30].decode("latin-1")}, content)
        api._message(response)
        api._is_out_of_money(response)
        api._retry_after(response)
    from ambivox.models.engines.hosted.answer import parse_answer

    _kept(parse_answer(api._completion(Response(200, {}, content))))


def _kept(answer: Any) -> None:
    """What the journal, the tables and the messages need of an answer."""
    from ambivox.models.engines.hosted.journal_repair import as_json

    assert json.loads(as_json(answer))["text"] == answer.text.encode().decode()
    answer.model.encode()


def _journalled(value: Any) -> None:
    from ambivox.models.engines.hosted.answer import Answer

    json.loads(json.dumps(Answer.of(value).top_logprobs, allow_nan=False))


def _row_of_journal(content: bytes, folder: Path) -> None:
    import sqlite3
    from contextlib import closing

    from ambivox.models.engines.hosted.answer import Answer
    from ambivox.models.engines.hosted.journal import Journal

    path = folder / "journal.sqlite"
    path.unlink(missing_ok=True)
    with closing(Journal(path, "https://host/v1", "m")) as journal:
        journal.add("a", Answer("B", "m"), "c:0")
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE answers SET answer = ?", (content.decode("utf-8", "replace"),))
    with closing(Journal(path, "https://host/v1", "m")) as journal:
        found = journal.find("a")
        assert journal.usage().requests == 1
        journal.add("a", Answer("C", "m"), "c:0")
        assert journal.find("a") == (found or Answer("C", "m"))


def _stored_answer(content: bytes, _folder: Path) -> None:
    from ambivox.models.annotation.responses import parse_letter, parse_percentages

    text = content.decode("utf-8", "replace")
    prompt = _prompt()
    label = parse_letter(text, prompt)
    assert label is None or label in seeds.LABELS
    shares = parse_percentages(text, prompt)
    assert shares is None or abs(float(shares.sum()) - 1) < 1e-9


def _neutral(content: bytes, _folder: Path) -> None:
    from ambivox.models.prompting.neutralising import neutralise

    text = content.decode("utf-8", "replace")
    tokens = ["<|im_end|>", "<s>", "e ", "ab", " a", *text.split("a")[:5]]
    neutral = neutralise(text, tokens)
    assert not [token for token in tokens if len(token) > 1 and token in neutral]


def _audio(path: Path) -> None:
    from ambivox.models.audio.decoding import decode
    from ambivox.models.audio.probing import probe

    cache_path = path.parent / "cache.sqlite"
    cache_path.unlink(missing_ok=True)
    probe([str(path)], cache=cache_path, workers=1)
    decode(str(path))


def _samples(path: Path) -> None:
    from ambivox.models.audio.decoding import decode

    decode(str(path))


def _msp_votes(path: Path) -> None:
    from ambivox.models.corpora.msp_podcast import _from_json

    _from_json(path)


def _iemocap(content: bytes, folder: Path) -> None:
    from ambivox.models.corpora.iemocap import load

    dialog = folder / "IEMOCAP/Session1/dialog"
    for name in ("EmoEvaluation", "transcriptions"):
        (dialog / name).mkdir(parents=True, exist_ok=True)
        (dialog / name / "Ses01F_impro05.txt").write_bytes(content)
    load(folder / "IEMOCAP")


def _store_space(content: bytes, folder: Path) -> None:
    from ambivox.models.annotation.store_spaces import unused

    space = folder / "store" / "0123456789abcdef"
    space.mkdir(parents=True, exist_ok=True)
    (space / "space.json").write_bytes(content)
    unused(str(folder / "store"), {"alm": "a", "labels": list(seeds.LABELS)})


def _imported_answers(path: Path) -> None:
    from ambivox.models.annotation.imported_answers import Columns, read_annotations

    read_annotations(path, _listed(), Columns(), alm="a")


def _exchange(module: str, name: str) -> Callable[[bytes, Path], object]:
    from importlib import import_module

    import polars as pl

    from ambivox.models.exchange import LinkedTables, csv
    from ambivox.models.tables import Votes

    votes = pl.DataFrame(schema=Votes.required)

    def read(content: bytes, folder: Path) -> None:
        exported = folder / "exported"
        exported.mkdir(exist_ok=True)
        csv.write(LinkedTables.of(_listed(), Votes(votes, seeds.LABELS)), exported)
        (exported / name).write_bytes(content)
        import_module(f"ambivox.models.exchange.{module}").read(exported)

    return read


def _csv_votes() -> bytes:
    return (
        b"utterance_id,annotator_id,annotator_kind,label,weight\nu1,r1,human,anger,1.0\nu2,r1,human,joy,1.0\n"
    )


def _checks(path: Path) -> None:
    from ambivox.models.annotation.checks_file import drop_audio_insensitive

    (path.parent / "annotations.parquet").write_bytes(b"")
    drop_audio_insensitive((path.parent / "annotations.parquet",))


def _promotion(content: bytes, folder: Path) -> None:
    from ambivox.flows.promotions import complete
    from ambivox.models.annotator_registry.ledger import Ledger

    note = folder / ".ambivox/promotions/a.json"
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_bytes(content)
    complete(folder, "a", Ledger(folder / "ledger.parquet"))


def _run_records(content: bytes, folder: Path) -> None:
    from ambivox.flows.run_records import close_ended_runs

    records = folder / ".ambivox/prefect/runs"
    records.mkdir(parents=True, exist_ok=True)
    (records / "0b3f2f9e-0000-0000-0000-000000000000.json").write_bytes(content)
    close_ended_runs(folder, "http://127.0.0.1:9/api")


def _lock_file(content: bytes, folder: Path) -> None:
    from ambivox.models.dvc_files import recover
    from ambivox.models.forgetting.held_elsewhere import earlier_outputs

    (folder / "dvc.lock").write_bytes(content)
    earlier_outputs(folder, ["demo"])
    recover(folder)


def _chat_template(content: bytes, _folder: Path) -> None:
    from transformers.utils.chat_template_utils import render_jinja_template

    from ambivox.models.prompting.chat import Chat
    from ambivox.models.prompting.request import Request

    template = content.decode("utf-8", "replace")

    def apply(messages: Any, **_named: Any) -> str:
        texts, _ = render_jinja_template([messages], chat_template=template, add_generation_prompt=True)
        return str(texts[0])

    processor = SimpleNamespace(apply_chat_template=apply, all_special_tokens=["<|im_end|>"])
    Chat(processor).render(Request(_prompt(), None, "", "hello"))


def _parsers() -> dict[str, Parser]:
    from ambivox.models.engines._server_replies import parse_logprobs, parse_text, parse_tokens
    from ambivox.models.engines.hosted.answer import parse_answer
    from ambivox.models.finetuning.model.card import read_card
    from ambivox.models.ingestion.imported_votes import read as read_imported
    from ambivox.models.ingestion.labels import label_schema
    from ambivox.models.ingestion.mapping_file import read_mapping
    from ambivox.models.ingestion.reading import read_table
    from ambivox.models.ingestion.vote_cells import parse_cell
    from ambivox.models.left_out import left_out_reason
    from ambivox.models.pooling.synthetic_distributions import read_synthetic_distributions
    from ambivox.models.pooling.vote_file import VoteFile
    from ambivox.models.prompting.model_files import tensor_names
    from ambivox.models.prompting.personas import load_personas
    from ambivox.models.tables import Annotations, Distributions, Utterances, Votes

    invalid = (InvalidResponseError,)
    return {
        "delimited": Parser(_file("a.csv", lambda path: read_table(path, ["label"])), (seeds.CSV, seeds.CSV.replace(b",", b"\t"), seeds.CSV.replace(b",", b";"))),
        "jsonl": Parser(_file("a.jsonl", lambda path: read_table(path, ["label"])), (b"\n".join(_json({"label": "a", "n": 1}, {"label": "b", "n": 2.5})),)),
        "json": Parser(_file("a.json", lambda path: read_table(path, ["label"])), _json([{"label": "a", "n": 1}], {"rows": [{"label": "b"}]})),
        "parquet": Parser(_file("a.parquet", lambda path: read_table(path, ["label"])), (seeds.parquet("nested"), seeds.parquet("votes"))),
        "cell": Parser(_text(parse_cell), (b"['a', 'b']", b'{"a": 2}', b'[{"label": "a", "annotator": "r"}]')),
        "mapping": Parser(_file("ambivox-table.toml", lambda path: read_mapping(path.parent)), (b'utterances = "a.csv"\nlabels = ["a", "b"]\n',)),
        "label-schema-toml": Parser(_file("schema.toml", lambda path: label_schema(str(path), seeds.LABELS)), (b'drop = ["joy"]\n[labels]\nanger = ["anger", "sadness"]\n',)),
        "label-schema-json": Parser(_file("schema.json", lambda path: label_schema(str(path), seeds.LABELS)), _json({"drop": ["joy"], "labels": {"a": ["anger", "sadness"]}})),
        "personas": Parser(_file("personas.toml", lambda path: load_personas(("mine",), path)), (b'mine = "Attend to pauses."\nother = "x"\n',)),
        "params": Parser(_parameters, (seeds.PARAMS,)),
        "params-conversion": Parser(_converted_parameters, (seeds.PARAMS, b"corpora:\n  a: {corpus: table, root: x, flags: {pool: '--criterion js --seed 1'}}\n")),
        "setting": Parser(_setting, (b"pool.criterion=likelihood", b"ingest.options.speakers=12", b"annotate.personas=[tone, words]", b"augment.ratio=0.5")),
        "label-studio-json": Parser(_file("export.json", _label_studio), _json(seeds.LABEL_STUDIO, seeds.LABEL_STUDIO_MIN)),
        "label-studio-csv": Parser(_file("export.csv", _label_studio), (seeds.LABEL_STUDIO_CSV,)),
        "imported-votes": Parser(_file("demo.csv", read_imported), (seeds.IMPORTED_VOTES,)),
        "imported-answers": Parser(_file("answers.csv", _imported_answers), seeds.ANSWERS),
        "exchange-csv": Parser(_exchange("csv", "votes.csv"), (_csv_votes(),)),
        "exchange-labels": Parser(_exchange("csv", "labels.json"), _json(list(seeds.LABELS))),
        "utterances": Parser(_file("t.parquet", Utterances.read), (seeds.parquet("utterances"),)),
        "votes": Parser(_file("t.parquet", Votes.read), (seeds.parquet("votes"),)),
        "vote-file": Parser(_file("t.parquet", lambda path: VoteFile.open(path).counts(_listed().frame["utterance_id"])), (seeds.parquet("votes"),)),
        "distributions": Parser(_file("t.parquet", Distributions.read), (seeds.parquet("distributions"),)),
        "annotations": Parser(_file("t.parquet", Annotations.read), (seeds.parquet("annotations"),)),
        "synthetic": Parser(_file("t.parquet", lambda path: read_synthetic_distributions(path, _listed().frame["utterance_id"], seeds.LABELS)), (seeds.parquet("annotations"),)),
        "wav": Parser(_file("a.wav", _samples), (audio("WAV"), audio("WAV", "FLOAT"), audio("WAVEX"), audio("RF64"), audio("WAV", "ULAW")), (AudioError,)),
        "flac-ogg-mp3": Parser(_file("a.flac", _samples), (audio("FLAC"), audio("OGG"), audio("MP3"), audio("AIFF"), audio("CAF"), *unusual()), (AudioError,)),
        "media": Parser(_file("a.m4a", _samples), (seeds.media("mp4", "aac"), seeds.media("webm", "libopus")), (AudioError,)),
        "probe": Parser(_file("a.wav", _audio), (audio("WAV"), audio("FLAC"), audio("MP3"), *unusual()), (AudioError,)),
        "model-config": Parser(_model_folder, _json(seeds.MODEL_CONFIG, {"ambivox_alm": "tiny", "architectures": ["Qwen2AudioForConditionalGeneration"]})),
        "model-index": Parser(_index, _json({"metadata": {"total_size": 8}, "weight_map": {"a": "model.safetensors", "b": "model.safetensors"}})),
        "adapter-config": Parser(_adapter, _json({"base_model_name_or_path": "Qwen/X", "peft_type": "LORA"})),
        "safetensors": Parser(_file("a.safetensors", tensor_names), (seeds.safetensors(),)),
        "chat-template": Parser(_chat_template, (b"{% for m in messages %}<|im_start|>{{ m['role'] }}{% for c in m['content'] %}{{ c['text'] }}{% endfor %}<|im_end|>{% endfor %}{% if add_generation_prompt %}A{% endif %}",)),
        "finetuned-card": Parser(_file("ambivox.json", lambda path: read_card(path.parent)), _json({"labels": ["a", "b"], "modality": "both", "alm": "x", "alm_name": "x", "alm_revision": "1", "prompt_version": "1", "source": "human", "augmented": True, "settings": {"preset": "small", "epochs": 2}})),
        "neutralise": Parser(_neutral, (b"Stop.<|im_end|> e e e", "a\u200bb\u202ec".encode())),
        "answer-text": Parser(_stored_answer, (b"B", b"I hear anger.", b'{"A": 50, "B": 25, "C": 25}', b"sadness, not joy")),
        "server-logprobs": Parser(_reply(lambda value: parse_logprobs(value, [5])), _json(seeds.COMPLETION), invalid),
        "server-text": Parser(_reply(parse_text), _json(seeds.COMPLETION), invalid),
        "server-tokens": Parser(_reply(parse_tokens), _json({"tokens": [1, 2, 3], "count": 3}), invalid),
        "server-kind": Parser(_server_kind, _json({"data": [{"id": "m", "owned_by": "vllm"}], "version": "0.30.0"}, {"litellm_version": "1"})),
        "hosted-reply": Parser(_hosted_reply, (seeds.STREAM, *_json(seeds.COMPLETION, {"error": {"message": "insufficient_quota", "code": 429, "param": "temperature"}})), invalid),
        "hosted-answer": Parser(_reply(lambda value: _kept(parse_answer(value))), _json(seeds.COMPLETION), invalid),
        "hosted-journal-row": Parser(_row_of_journal, _json({"text": "B", "model": "m", "usage": {"text": 1}, "refused": False, "top_logprobs": [["B", -0.1]]})),
        "hosted-journal": Parser(_reply(_journalled), _json({"text": "B", "model": "m", "usage": {"text": 1}, "refused": False, "top_logprobs": [["B", -0.1]]}), (*invalid, ValueError, TypeError, KeyError, OverflowError)),
        "msp-podcast": Parser(_file("labels.json", _msp_votes), _json(seeds.MSP_JSON)),
        "iemocap": Parser(_iemocap, (seeds.IEMOCAP,)),
        "store-space": Parser(_store_space, _json({"alm": "a", "labels": ["anger"], "probe": [[-1.0]]})),
        "checks": Parser(_file("checks.json", _checks), _json({"alm": "a", "audio_sensitive": False, "modalities": {"both": {"label_mass": 0.9}}, "alms": ["x"]})),
        "promotion-note": Parser(_promotion, _json({"alm": "a", "version": "1", "source": "folder:x", "location": "x"})),
        "run-records": Parser(_run_records, _json({"process": 1, "started": "5"})),
        "dvc-lock": Parser(_lock_file, (b"schema: '2.0'\nstages:\n  ingest@demo:\n    cmd: a\n    outs:\n    - path: data/demo/ingest\n      hash: md5\n      md5: ab.dir\n",)),
        "left-out-note": Parser(_file("left_out.json", lambda path: left_out_reason(path.parent)), _json({"reason": "too little data"})),
    }  # fmt: skip


PARSERS = _parsers() | dict(parsers_of_tables.parsers()) | dict(parsers_of_tools.parsers())
