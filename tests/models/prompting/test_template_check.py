"""Powers in chat templates are found wherever they stand, and nothing else is taken for one."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest

from ambivox.models.alms import resolve
from ambivox.models.errors import UserError
from ambivox.models.prompting.chat import load_chat
from ambivox.models.prompting.template_check import has_powers


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
