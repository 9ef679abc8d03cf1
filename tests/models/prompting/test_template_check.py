"""Powers in chat templates, and templates that take gigabytes, are found wherever they stand, and nothing else is taken for one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from ambivox.models.alms import resolve
from ambivox.models.errors import UserError
from ambivox.models.prompting.chat import load_chat, load_processor
from ambivox.models.prompting.template import apply_template
from ambivox.models.prompting.template_check import has_powers, is_endless, tokenizer_is_endless


@pytest.mark.parametrize("template", [
    "{{ 9 ** 9 ** 9 }}", "{% set n = 9**n %}", "{% generation %}{% if 2**3 %}{% endgeneration %}", "{{- (2)**\n3 -}}",
])  # fmt: skip
def test_a_power_is_found(template: str) -> None:
    assert has_powers(SimpleNamespace(chat_template=template))
    assert has_powers(None, SimpleNamespace(chat_template={"default": "", "tool_use": template}))


@pytest.mark.parametrize("template", [
    "**bold** {{ messages }}", "{{ '2**3' }}", "{# 2**3 #}", "{% raw %}{{ 2**3 }}{% endraw %}", "{{ 2 * 3 }}", "{{ '", "{% for %}", None, 7, [],
])  # fmt: skip
def test_other_templates_stay(template: object) -> None:
    assert not has_powers(SimpleNamespace(chat_template=template))


def test_a_model_folder_with_such_a_template_is_one_line(small_alm, tmp_path) -> None:
    folder = shutil.copytree(small_alm, tmp_path / "alm")
    (folder / "chat_template.jinja").write_text("{{ messages }}{{ 9 ** 9 ** 9 }}")
    with pytest.raises(UserError, match="chat template computes powers of numbers"):
        load_chat(resolve(str(folder)))


@pytest.mark.parametrize("template", [
    "{{ 'a' * 3000000000 }}",
    "{% set ns = namespace(a='aaaaaaaa') %}{% for i in range(60) %}{% set ns.a = ns.a ~ ns.a %}{% endfor %}",
    "{{ messages[0].content[1].text.center(4000000000) }}",
    "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "{{ 'x ' * 3000000 }}", "{{ strftime_now('%Y' * 10000000) }}", "{% generation %}{{ 'x ' * 3000000 }}{% endgeneration %}",
])  # fmt: skip
def test_a_template_that_takes_gigabytes_or_seconds_is_stopped_elsewhere(template: str) -> None:
    assert is_endless(SimpleNamespace(chat_template=template))


@pytest.mark.parametrize("template", [
    "{% for m in messages %}{{ m.role }}{% endfor %}", "{{ broken", "{% generation %}{{ raise_exception('no') }}{% endgeneration %}",
    "{{ messages | tojson }}{{ nothing.at.all }}", None,
])  # fmt: skip
def test_other_templates_are_for_the_renderer(template: object) -> None:
    assert not is_endless(SimpleNamespace(chat_template=template))


def test_a_model_folder_with_a_template_of_gigabytes_is_one_line(small_alm, tmp_path) -> None:
    folder = shutil.copytree(small_alm, tmp_path / "alm")
    (folder / "chat_template.jinja").write_text("{{ messages }}{{ 'a' * 3000000000 }}")
    with pytest.raises(UserError, match="chat template takes seconds, a gigabyte of memory"):
        load_chat(resolve(str(folder)))


@pytest.mark.parametrize("text", ["{{ 'x ' * 3000000 }}", "{{ strftime_now('%Y' * 10000000) }}"])
def test_a_long_text_is_refused_where_the_trial_did_not_see_it(text: str) -> None:
    class Processor:
        def apply_chat_template(self, messages, **_):
            from transformers.utils.chat_template_utils import render_jinja_template

            return render_jinja_template([messages], chat_template=text)[0][0]

    with pytest.raises(
        UserError, match=r"chat template makes .* characters of one question, expected at most 1,000,000"
    ):
        apply_template(Processor(), [{"role": "user", "content": "x"}], {})


def _changed_tokenizer(small_alm: Path, folder: Path, **changes: object) -> Path:
    shutil.copytree(small_alm, folder)
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


def _growing(text: str) -> dict[str, object]:
    rule = {"type": "Replace", "pattern": {"String": text}, "content": text * 2}
    return {"type": "Sequence", "normalizers": [rule] * 34}


SLOW = {
    "growth": {"normalizer": _growing("e")},
    "growth of a character of the template": {"normalizer": _growing("\u2603")},
}


@pytest.mark.parametrize("load", [load_chat, load_processor])
@pytest.mark.parametrize("kind", SLOW)
def test_a_model_folder_with_a_tokenizer_without_end_is_one_line(
    small_alm, tmp_path, kind: str, load
) -> None:
    folder = _changed_tokenizer(small_alm, tmp_path / "alm", **SLOW[kind])
    template = folder / "chat_template.jinja"
    template.write_text(f"\u2603{template.read_text()}")
    with pytest.raises(UserError, match="its tokenizer takes seconds, or gigabytes of memory"):
        load(resolve(str(folder)))


def test_a_tokenizer_of_a_model_is_not_refused(small_alm, tmp_path) -> None:
    assert not tokenizer_is_endless(small_alm / "tokenizer.json", "x" * 1_000_000)
    assert not tokenizer_is_endless(tmp_path / "absent.json")
    (tmp_path / "damaged.json").write_text("{}")
    assert not tokenizer_is_endless(tmp_path / "damaged.json")


@pytest.mark.parametrize("load", [load_chat, load_processor])
def test_a_model_folder_with_a_template_that_prints_much_is_one_line(small_alm, tmp_path, load) -> None:
    folder = shutil.copytree(small_alm, tmp_path / "alm")
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text() + "{{ 'x ' * 3000000 }}")
    with pytest.raises(
        UserError, match="chat template takes seconds, a gigabyte of memory or a million characters"
    ):
        load(resolve(str(folder)))
