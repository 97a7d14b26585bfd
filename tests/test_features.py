"""docs/features.md: every feature is shown by tests that there are."""

import re
from pathlib import Path

PROJECT = Path(__file__).parents[1]
DOCUMENT = (PROJECT / "docs/features.md").read_text(encoding="utf-8")
ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split("|"))
    for line in DOCUMENT.splitlines()
    if line.startswith("| ")
][2:]


def named(text: str) -> list[tuple[str, str]]:
    """Files of tests in backticks, and what `-k` or `::` selects of them."""
    found = re.findall(r"`(?:python -m pytest )?(\S*test_\w+\.py)(?:::(\w+)| -k (\w+))?[^`]*`", text)
    return [(file, exact or part) for file, exact, part in found]


def test_every_point_has_rows_and_every_row_names_tests() -> None:
    assert [number for number, _, _ in ROWS if number] == [str(number) for number in range(1, 11)]
    assert [what for _, what, tests in ROWS if not named(tests)] == []


def test_the_tests_exist() -> None:
    for file, selected in named(DOCUMENT):
        names = re.findall(r"def (test_\w+)", (PROJECT / file).read_text(encoding="utf-8"))
        assert any(selected in name for name in names), f"{file} {selected}"


def test_every_conversation_of_the_whole_bot_is_told() -> None:
    told = {file for file, _ in named(DOCUMENT)}
    pages = {f"tests/e2e/test_{name}.py" for name in ("browser", "hood", "hood_page")}
    files = {path.relative_to(PROJECT).as_posix() for path in (PROJECT / "tests/e2e").glob("test_*.py")}
    assert files - pages - told == set()
