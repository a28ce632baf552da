"""All verbs of `portvakt`, as a table of contents.

The files below import nothing heavy; what a verb needs it imports itself, so that `portvakt --help` is quick.
"""

from typing import Annotated

import typer

from agent.cli import (
    activity,
    audit,
    cameras,
    config,
    consent,
    demo,
    devices,
    doctor,
    export,
    grants,
    holds,
    logs,
    people,
    processing,
    receipts,
    records,
    rectify,
    restrict,
    scan_image,
    service,
    signin,
    support,
    trust,
)

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

program = typer.Typer(
    name="portvakt",
    # rich's help doubles the time until it stands there, and a gateway's processor is slow.
    rich_markup_mode=None,
    help="The agent on a smart-home gateway: it runs the house, and it forgets on time.",
    no_args_is_help=True,
    # A traceback with local variables would show passwords.
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
)


def print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - costs time that only this needs

        typer.echo(f"portvakt {version('portvakt')}")
        raise typer.Exit


@program.callback()
def start(
    *,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=print_version)
    ] = False,
) -> None:
    """Hold the options that stand before the verb."""


# Anyone, the first time
program.command("demo", epilog=demo.DEMO_EXAMPLE)(demo.demo)

# The system
program.command("run", epilog=service.RUN_EXAMPLE)(service.run)
program.command("status", epilog=service.STATUS_EXAMPLE)(service.status)
program.command("time", epilog=service.TIME_EXAMPLE)(service.time)
program.command("doctor", epilog=doctor.DOCTOR_EXAMPLE)(doctor.doctor)
program.command("metrics", epilog=service.METRICS_EXAMPLE)(service.metrics)
program.add_typer(config.app, name="config")

# The installer
program.add_typer(devices.app, name="devices")
program.add_typer(cameras.app, name="cameras")
people.app.command("link", epilog=signin.LINK_EXAMPLE)(signin.link)
program.add_typer(people.app, name="people")
program.add_typer(consent.app, name="consent")
program.command("claim", epilog=signin.CLAIM_EXAMPLE)(signin.claim)
program.command("button", epilog=signin.BUTTON_EXAMPLE)(signin.button)
program.add_typer(grants.grants, name="grants")
program.add_typer(grants.tokens, name="tokens")
program.add_typer(support.app, name="support")
program.command("trust", epilog=trust.TRUST_EXAMPLE)(trust.trust)

# The homeowner, and whoever protects the data
program.command("inventory", epilog=records.INVENTORY_EXAMPLE)(records.inventory)
program.add_typer(processing.agreements, name="agreements")
program.add_typer(processing.disclosures, name="disclosures")
program.command("export", epilog=export.EXPORT_EXAMPLE)(export.export)
program.command("rectify", epilog=rectify.RECTIFY_EXAMPLE)(rectify.rectify)
program.command("restrict", epilog=restrict.RESTRICT_EXAMPLE)(restrict.restrict)
program.command("erase", epilog=records.ERASE_EXAMPLE)(records.erase)
program.command("hold", epilog=holds.HOLD_EXAMPLE)(holds.hold)
program.command("holds", epilog=holds.HOLDS_EXAMPLE)(holds.list_holds)
program.command("release", epilog=holds.RELEASE_EXAMPLE)(holds.release)
program.add_typer(activity.app, name="activity")
program.add_typer(audit.app, name="audit")
program.add_typer(receipts.app, name="receipt")

# The log pipeline
program.command("redact", epilog=logs.REDACT_EXAMPLE)(logs.redact)

# Engineers
program.command("bench", epilog=demo.BENCH_EXAMPLE)(demo.bench)
program.command("scan-image", epilog=scan_image.SCAN_IMAGE_EXAMPLE)(scan_image.scan_image)


# The backend
@program.command("backend", context_settings=PASS_ON)
def backend(context: typer.Context) -> None:
    """Sign orders, verify receipts, follow a fleet."""
    from agent.backend.cli import app  # noqa: PLC0415 - its libraries are not for the gateway's other verbs

    ended = typer.main.get_command(app).main(args=context.args, prog_name="portvakt backend", standalone_mode=False)
    raise typer.Exit(ended if isinstance(ended, int) else 0)
