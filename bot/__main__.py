"""The command line: `python -m bot COMMAND`. One module per command in cli/, each imported when it is called."""

from bot.cli import command


def main() -> None:
    """Entry point of `tandem` and of `python -m bot`."""
    command()()


if __name__ == "__main__":
    main()
