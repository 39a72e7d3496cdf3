"""The command reference, made from the commands themselves."""

import re
import tomllib
from functools import cache

import click
import typer

from echolab.pages import DOCS

_WORDS = {
    "en": {"arguments": "Arguments", "options": "Options", "what": "what it does"},
    "zh": {"arguments": "参数", "options": "选项", "what": "作用"},
}


def commands(language: str) -> str:
    """Every command with its arguments and options, as Markdown; texts without a translation stay English."""
    app = _app()
    return "\n".join(
        _section(name, command, language) for name, command in sorted(app.commands.items())
    )


def names() -> list[str]:
    """The commands there are."""
    return sorted(_app().commands)


def untranslated() -> list[str]:
    """The help texts for which docs/zh/commands.toml has no Chinese."""
    texts = [text for command in _app().commands.values() for text in _texts(command)]
    return sorted({text for text in texts if text not in _chinese()})


def _app() -> click.Group:
    from echolab.cli import app  # here, since the command line imports what asks for this

    group = typer.main.get_command(app)
    assert hasattr(group, "commands")
    group.commands = {name: command for name, command in group.commands.items() if not command.hidden}
    return group  # type: ignore[return-value]


@cache
def _chinese() -> dict[str, str]:
    return tomllib.loads((DOCS / "zh" / "commands.toml").read_text(encoding="utf-8"))


def _clean(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "").strip()


def _texts(command: click.Command) -> list[str]:
    own = [command.help, *(getattr(parameter, "help", "") for parameter in _parameters(command))]
    return [text for text in map(_clean, own) if text]


def _parameters(command: click.Command) -> list[click.Parameter]:
    return [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]


def _section(name: str, command: click.Command, language: str) -> str:
    words = _WORDS[language]

    def said(text: str | None) -> str:
        clean = _clean(text)
        return _chinese().get(clean, clean) if language == "zh" else clean

    arguments = [p for p in _parameters(command) if isinstance(p, click.Argument)]
    options = [p for p in _parameters(command) if isinstance(p, click.Option)]
    usage = " ".join(["harness/lab", name, *(_metavar(a) for a in arguments)])
    text = [f"### lab {name}", "", said(command.help), "", f"`{usage}`", ""]
    for title, parameters in ((words["arguments"], arguments), (words["options"], options)):
        if parameters:
            text += [f"| {title} | {words['what']} |", "|---|---|"]
            text += [f"| {_names(p)} | {_cell(said(getattr(p, 'help', '')))} |" for p in parameters]
            text.append("")
    return "\n".join(text)


def _cell(text: str) -> str:
    # Braces would be Vue's in a page.
    return text.replace("|", r"\|").replace("{", "&#123;").replace("<", "&lt;")


def _metavar(parameter: click.Parameter) -> str:
    return parameter.metavar or f"[{(parameter.name or '').upper()}]"


def _names(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Argument):
        return f"`{_metavar(parameter)}`"
    names = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
    value = "" if getattr(parameter, "is_flag", False) else f" `{parameter.metavar or 'VALUE'}`"
    return (names + value).replace("{", "{")
