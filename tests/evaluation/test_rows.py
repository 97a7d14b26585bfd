"""Labelled texts are read as they are, or refused with the line that is wrong."""

import json

import pytest

from bot.evaluation.rows import DataError, Row, read

MOODS = ("positive", "negative")


def test_rows_are_read_with_their_sets(tmp_path):
    file = tmp_path / "mine.jsonl"
    lines = [
        {"text": "好\u2028棒", "label": "positive", "set": "hotel", "lang": "zh"},
        {"text": "", "label": "negative"},
    ]
    file.write_text(
        "\ufeff" + "\n\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\n", "utf-8"
    )
    assert read(file, MOODS) == [Row("好\u2028棒", "positive", "hotel"), Row("", "negative", "mine")]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "line 2 is not JSON"),
        ("[]", 'line 2: must be an object with a "text"'),
        ('{"label": "positive"}', 'line 2: must be an object with a "text"'),
        ('{"text": 7, "label": "positive"}', 'line 2: must be an object with a "text"'),
        ('{"text": "x", "label": "happy"}', "line 2: label = 'happy': must be one of positive, negative"),
        ('{"text": "x", "label": ["positive"]}', "line 2: label = "),
        ('{"text": "x"}', "line 2: label = None"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path, line, told):
    file = tmp_path / "wrong.jsonl"
    file.write_text('{"text": "x", "label": "positive"}\n' + line, "utf-8")
    with pytest.raises(DataError) as error:
        read(file, MOODS)
    assert told in str(error.value)


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read(tmp_path / "missing", MOODS)
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(DataError, match="has no rows"):
        read(tmp_path / "empty", MOODS)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is not UTF-8 text"):
        read(tmp_path / "binary", MOODS)
