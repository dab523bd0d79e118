"""A command line that is no command, in words: what is wrong with it, and what there is instead."""

import re
from typing import Any, Final

from services.cli.failures import CHOICE, filled

OTHERS_MAX: Final = 3
"""How many commands are named that have an option which is given to another."""
_WORDS: Final = {
    r"Input should be a valid integer\b.*": "write a whole number",
    r"Input should be a valid number\b.*": "write a number",
}
"""How typer says what is wrong with a value -> how people say it."""
_WANTING: Final = {
    "--figures": " Name some, such as nrr,grr; `revledger report figures --from DAY` tells all with their names.",
}
"""Option that is given without a value -> what it may be."""


def usage_of(error: Any) -> str:
    """What typer found wrong, and what to type instead."""
    said: str = error.format_message()
    for pattern, words in _WORDS.items():
        said = re.sub(pattern, words, said)
    if said.endswith("requires an argument."):
        said += _WANTING.get(getattr(error, "option_name", ""), "")
    context = getattr(error, "ctx", None)
    if context is None:
        return said
    if said.startswith("No such command") and "Did you mean" not in said:
        said = filled(f"{said[:-1]}: {CHOICE} {', '.join(context.command.list_commands(context))}.")
    elif said.startswith("No such option"):
        said += _others(context, getattr(error, "option_name", ""))
    return f"{said}\nSee `{context.command_path} --help`."


def _others(context: Any, option: str) -> str:
    """Which commands beside this one have an option."""
    beside = getattr(context.parent and context.parent.command, "commands", {})
    having = [name for name, command in beside.items() if any(option in one.opts for one in command.params)]
    names = [f"`{context.parent.info_name} {name}`" for name in having[:OTHERS_MAX]]
    return f". It is an option of {', '.join(names)}." if names else ""
