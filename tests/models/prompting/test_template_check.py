"""Powers in chat templates, and templates that take gigabytes, are found wherever they stand, and nothing else is taken for one."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest

from ambivox.models.alms import resolve
from ambivox.models.errors import UserError
from ambivox.models.prompting.chat import load_chat
from ambivox.models.prompting.template_check import has_powers, is_endless


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
    with pytest.raises(UserError, match="chat template takes seconds, or a gigabyte of memory"):
        load_chat(resolve(str(folder)))
