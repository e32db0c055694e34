"""The commands about models: `models`, `evaluate`, `promote`, `rollback`."""

from __future__ import annotations

from typing import Annotated

import typer

from heartwave_tasks.cli.names import OutputFormat, ReportFormat, RPeaks


def models(
    output: Annotated[OutputFormat, typer.Option("--format", help="How to print rows.")] = OutputFormat.TABLE,
) -> None:
    """List the registered versions, newest first, with aliases and figures on patients they had not seen.

    Shares are fractions of 1, under the protocol `patient_folds`; `heartwave evaluate` prints everything of a version.
    """
    from heartwave_tasks.cli import model_versions  # noqa: PLC0415

    model_versions.show(output)


def evaluate(
    *,
    model: Annotated[
        str, typer.Option("--model", "-m", metavar="NAME[@ALIAS]", help="Model and alias, or version number.")
    ] = "@champion",
    source: Annotated[
        str | None, typer.Option("--source", "-s", help="Count only recordings of this source, such as mitdb.")
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            "--protocol",
            "-p",
            help="patient_folds, inter_patient, random_beats or external:SOURCE. Default: all that are stored; "
            "with --peaks detected, inter_patient.",
        ),
    ] = None,
    peaks: Annotated[
        RPeaks,
        typer.Option("--peaks", help="Label the beats an expert marked, or those HeartWave detects by itself."),
    ] = RPeaks.REFERENCE,
    output: Annotated[ReportFormat, typer.Option("--format", help="How to print figures.")] = ReportFormat.TABLE,
) -> None:
    """Print how good a version is: by protocol and by class, with intervals over patients.

    Figures are those that were stored when the version was trained. A protocol that was not tested then is tested now,
    by training the version's recipe anew on the recordings in the lake. With --source alone, recordings of it that the
    version was not trained on are labelled by the version itself, and compared with their annotations.

    With --peaks detected, annotated recordings are read once more and searched for R peaks as if nobody had annotated
    them. Detection is held against the annotations, and the labels end to end against those on the annotated R peaks:
    a beat that was not detected counts as missed, a detected one that is none as false. The models that label have not
    seen the patients; but for recordings the version itself was not trained on, they are trained now, by its recipe.
    """
    from heartwave_tasks.cli import evaluating  # noqa: PLC0415

    evaluating.evaluate(model, protocol, source, peaks, output)


def promote(
    version: Annotated[int, typer.Argument(min=1, help="Which version, as in `heartwave models`.", show_default=False)],
    *,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why, in a sentence; it is kept.", show_default=False)],
) -> None:
    """Make a version champion, whatever the gate says of it.

    Says what the gate would have decided, and keeps that comparison beside your name and reason.
    """
    from heartwave_tasks.cli import model_versions  # noqa: PLC0415

    model_versions.promote(version, reason)


def rollback(
    *,
    reason: Annotated[
        str, typer.Option("--reason", "-r", help="Why, in a sentence; it is kept.")
    ] = "no reason was given",
) -> None:
    """Bring back the champion before the present one; done again, the one before that.

    Nothing is deleted: the labels of both stay, and `current_labels` shows those of whoever is champion.
    """
    from heartwave_tasks.cli import model_versions  # noqa: PLC0415

    model_versions.rollback(reason)
