"""``python -m reid_lit``: the commands, each with a line; ``python -m reid_lit train …`` is one of them."""

from reid_lit.command.console import main

if __name__ == "__main__":
    main()
