"""The words of the page: the same in both languages, all of them used, and none that is used is missing."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser

import bot.sandbox

PAGE = Path(bot.sandbox.__file__).parent / "page"
CHINESE = re.compile("[一-龥]")

# Every word with its path, functions called with what they may be called with.
SAID = """
(source) => {
  const said = {};
  const visit = (path, value) => {
    if (typeof value === "function") visit(path, value(...Array(value.length).fill("sample")));
    else if (value && typeof value === "object") for (const key in value) visit(`${path}.${key}`, value[key]);
    else said[path] = value;
  };
  for (const [language, words] of Object.entries((0, eval)(`(${source})`))) visit(language, words);
  return said;
}
"""


@pytest.fixture
async def said(browser: Browser) -> dict[str, dict[str, Any]]:
    """By language and path, as a browser reads them."""
    text = (PAGE / "js/i18n.js").read_text(encoding="utf-8")
    source = text.partition("const WORDS = ")[2].partition("\n};")[0] + "\n}"
    page = await browser.new_page()
    found: dict[str, dict[str, Any]] = {}
    for path, words in (await page.evaluate(SAID, source)).items():
        language, _, key = path.partition(".")
        found.setdefault(language, {})[key] = words
    return found


@pytest.mark.browser
async def test_both_languages_have_the_same_words(said: dict[str, dict[str, Any]]) -> None:
    assert set(said) == {"en", "zh"}
    assert set(said["en"]) == set(said["zh"])
    assert all(words for language in said.values() for words in language.values())


@pytest.mark.browser
async def test_each_word_is_in_its_language_and_keeps_its_values(said: dict[str, dict[str, Any]]) -> None:
    names = {"language", "tandem", "taskName"}
    assert [key for key, words in said["en"].items() if CHINESE.search(words) and key not in names] == []
    assert [key for key, words in said["zh"].items() if not CHINESE.search(words) and key not in names] == []
    for key, words in said["en"].items():
        assert words.count("sample") == said["zh"][key].count("sample"), key


@pytest.mark.browser
async def test_every_word_is_used_and_every_word_used_exists(said: dict[str, dict[str, Any]]) -> None:
    scripts = "\n".join(path.read_text(encoding="utf-8") for path in (PAGE / "js").glob("*.js"))
    used = set(re.findall(r"\bwords\??\.(\w+)", scripts))
    known = {key.partition(".")[0] for key in said["en"]}
    assert used - known == set()
    assert known - used == set()


def test_no_other_file_of_the_page_speaks_chinese() -> None:
    files = [path for path in PAGE.rglob("*.*") if path.suffix in {".js", ".html", ".css"}]
    assert [path.name for path in files if CHINESE.search(path.read_text(encoding="utf-8"))] == ["i18n.js"]
