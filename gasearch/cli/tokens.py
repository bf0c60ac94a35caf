"""The commands of the service's tokens: create, list, revoke, audit."""

from __future__ import annotations

from typing import Annotated

import typer

from gasearch.cli.app import Db, Form, app, argument, ask, examples, option
from gasearch.cli.console import Format, clean_stdout, print_rows, say
from gasearch.jobs.tokens import create_token, parse_lifetime, revoke_token
from gasearch.query.access import audit_entries, token_summaries, token_summary
from gasearch.settings import database_url
from gasearch.storage.access import Role

token_app = typer.Typer(help="The tokens of the service.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(token_app, name="token")

TokenName = Annotated[str, argument("NAME", "The token: who or what it is for.")]


@token_app.command(
    "create", epilog=examples("gasearch token create alice --expires 30d", "gasearch token create ci --role admin")
)
def token_create(
    name: TokenName,
    role: Annotated[
        Role, option("--role", "reader|admin", "A reader asks; an admin changes something, too.", show_default=True)
    ] = Role.READER,
    expires: Annotated[str | None, option("--expires", "TIME", "Such as 12h, 30d or 1y; default: never.")] = None,
    searches: Annotated[
        int | None, option("--searches", "N", "How many of its searches may run at once.", min=1, max=1_000_000)
    ] = None,
    device_hours: Annotated[float | None, option("--device-hours", "H", "What its searches may take in all.")] = None,
    form: Form = Format.TABLE,
    db: Db = None,
) -> None:
    """Make a token, and print its secret on stdout: once, as the database keeps only a digest of it."""
    lifetime_s = None if expires is None else parse_lifetime(expires)
    with clean_stdout():
        secret, record = create_token(
            database_url(db), name, role, notice=say, lifetime_s=lifetime_s, searches=searches,
            device_hours=device_hours,
        )  # fmt: skip
    if form is Format.TABLE:
        until = "" if record.expires_at is None else f" until {record.expires_at:%Y-%m-%d %H:%M} UTC"
        say(f"token {name!r}, {role}{until}; its secret is shown only now:")
        print(secret)
    else:
        row = {"secret": secret, **token_summary(record).row()}
        print_rows(row if form is Format.JSON else [row], form)


@token_app.command("list", epilog=examples("gasearch token list", "gasearch token list --format json"))
def token_list(form: Form = Format.TABLE, db: Db = None) -> None:
    """List all tokens, also expired and revoked ones, with their last use to the minute or so."""
    print_rows([one.row() for one in ask(db, token_summaries)], form)


@token_app.command("revoke", epilog=examples("gasearch token revoke alice"))
def token_revoke(name: TokenName, db: Db = None) -> None:
    """Let nobody use a token any more, from the next request on."""
    with clean_stdout():
        revoke_token(database_url(db), name, notice=say)
    print(f"revoked {name}")


@token_app.command("audit", epilog=examples("gasearch token audit", "gasearch token audit --count 500 --format json"))
def token_audit(
    count: Annotated[int, option("--count", "N", "At most so many, the newest.", min=1, max=100_000)] = 100,
    form: Form = Format.TABLE,
    db: Db = None,
) -> None:
    """Show who did what: tokens made and revoked, logins, and what was changed over HTTP; newest first."""
    print_rows([one.row() for one in ask(db, lambda reader: audit_entries(reader, count=count))], form)
