"""Chat templates are rendered as transformers does it, without transformers, and can do no harm."""

import json
from contextlib import suppress

import pytest
from jinja2 import TemplateError
from jinja2.exceptions import SecurityError, UndefinedError
from transformers.utils.chat_template_utils import render_jinja_template

from bot.model.template import ChatTemplate

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
ROLES = [
    ("user",),
    ("system", "user"),
    ("user", "assistant", "user"),
    ("system", "user", "assistant", "user", "assistant", "user"),
]

CHATML = """
{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- else %}
    {{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == "user" or (message.role == "system" and not loop.first) or message.role == "assistant" %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""
THINKING = """
{%- if tools %}{{- tools | tojson }}{%- endif %}
{%- set ns = namespace(last=messages|length - 1, seen=false) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if not ns.seen and message.role == "user" and message.content is string %}
        {%- set ns.seen = true %}{%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if loop.index0 > ns.last %}{%- continue %}{%- endif %}
    {{- '<|im_start|>' + message.role + '\\n' + message.content.lstrip('\\n') + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}
{%- endif %}
"""
DATED = """{{ bos_token }}
{% if not date_string is defined %}
    {% if strftime_now is defined %}
        {% set date_string = strftime_now("%Y") %}
    {% else %}
        {% set date_string = "26 Jul 2024" %}
    {% endif %}
{% endif %}
Today Date: {{ date_string }}
{% for message in messages %}
    {{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>' + message['content'] | trim + '<|eot_id|>' }}
{% endfor %}
"""
STRICT = """{{ bos_token }}{% if messages[0]['role'] == 'system' %}
{% set system, rest = messages[0]['content'], messages[1:] %}{% else %}{% set rest = messages %}{% endif %}
{% for message in rest %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('Roles must alternate user/assistant!') }}{% endif %}
{% if message['role'] == 'user' %}{% if loop.first and system is defined %}{{ system + ' ' }}{% endif %}
{{ '[INST] ' + message['content'] + ' [/INST]' }}{% else %}
{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}"""
TRAINED = """{% for message in messages %}<|{{ message.role }}|>
{% if message.role == 'assistant' %}{% generation %}
{{ message.content }}{{ eos_token }}
{% endgeneration %}{% else %}{{ message.content }}{% endif %}
{% endfor %}{{ {"kept": "as <it> is", "é": [1, 2]} | tojson(indent=2) }}
{{ dict(b=1, a=2) | tojson(true, separators=(",", ":"), sort_keys=true) }}
{% set comma = joiner(", ") %}{% for part in "ab" %}{{ comma() }}{{ part }}{% endfor %}"""
TEMPLATES = {
    "chatml": CHATML,
    "thinking": THINKING,
    "dated": DATED,
    "strict": STRICT,
    "trained": TRAINED,
}


@pytest.fixture
def template(tmp_path):
    """Makes the ChatTemplate of a folder with this one."""

    def make(source):
        settings = {**SPECIAL, "eos_token": {"content": "</s>", "lstrip": False}, "chat_template": source}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
        return ChatTemplate(tmp_path)

    return make


@pytest.mark.parametrize("roles", ROLES, ids="-".join)
@pytest.mark.parametrize("name", TEMPLATES)
def test_it_writes_what_transformers_writes(template, name, roles):
    pieces = template(TEMPLATES[name]).around(roles)
    texts = [f"message {index}" for index in range(len(roles))]
    chat = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=True)]
    (expected,), _ = render_jinja_template(
        [chat], chat_template=TEMPLATES[name], add_generation_prompt=True, enable_thinking=False, **SPECIAL
    )
    assert (
        pieces[0] + "".join(text + piece for text, piece in zip(texts, pieces[1:], strict=True)) == expected
    )


def test_a_file_of_its_own_comes_before_the_settings(template, tmp_path):
    template("{{ messages[0].content }} of the settings")
    (tmp_path / "chat_template.jinja").write_text("{{ messages[0].content }} of the file", encoding="utf-8")
    assert ChatTemplate(tmp_path).around(["user"]) == ["", " of the file"]


def test_a_template_that_refuses_roles_says_why(template):
    with pytest.raises(TemplateError, match="must alternate"):
        template(STRICT).around(["user", "user"])


def test_a_template_that_leaves_a_message_out_is_refused(template):
    with pytest.raises(ValueError, match="every message in order"):
        template("{{ messages[-1].content }}").around(["user", "assistant", "user"])


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ (''|attr('format'))('{0.__class__.__mro__}', 1) }}",
        "{{ raise_exception.__globals__ }}",
        "{{ strftime_now.__globals__['json'] }}",
        "{{ namespace.__init__.__globals__ }}",
        "{{ lipsum.__globals__['os'].popen('id') }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ messages.append(1) }}",
        "{{ range(10**9) }}",
    ],
)
def test_a_template_from_a_stranger_reaches_nothing(template, source):
    with suppress(SecurityError, UndefinedError, OverflowError):  # or nothing is shown, for it is undefined
        assert template(source + "{{ messages[0].content }}").around(["user"]) == ["", ""]
