"""``cloister add``: patient data in."""

from __future__ import annotations

from pathlib import Path

import click

from cloister.biobank import Quarantine, SubjectRules
from cloister.cli.commands.check import show as show_checks
from cloister.cli.commands.check import value as checks_value
from cloister.cli.output import Output, size
from cloister.cli.root import Context, with_context
from cloister.cli.session import note_without_backup, open_lab
from cloister.core.words import count
from cloister.datasets.classes import DataClass
from cloister.labels.parse import LabelProblem, LabelRules
from cloister.workflows.data.add import AddReport, AddRequest, LabelSource, add


@click.command("add")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--name", help="The dataset's name; names are not sealed. [default: data1, ...]")
@click.option("--subject-column", metavar="COLUMN", help="The tables' column of subject ids.")
@click.option(
    "--subject-pattern",
    metavar="REGEX",
    help="A pattern on relative paths; its group 'subject', or its first, is the id.",
)
@click.option("--issuer", default="local", show_default=True, help="Who gave the subject ids.")
@click.option(
    "--labels", type=click.Path(path_type=Path), metavar="FILE", help="A table of labels."
)
@click.option(
    "--label-column",
    "label_columns",
    multiple=True,
    metavar="COLUMN",
    help="A label column; repeat for more. [default: all but the keys]",
)
@click.option(
    "--class",
    "data_class",
    type=click.Choice([one.value for one in DataClass]),
    help="How near a new dataset is to patients' names. [default: identifiable]",
)
@click.option("--no-checks", is_flag=True, help="Do not check the data after they are added.")
@with_context
def command(
    context: Context,
    folder: Path,
    name: str | None,
    subject_column: str | None,
    subject_pattern: str | None,
    issuer: str,
    labels: Path | None,
    label_columns: tuple[str, ...],
    data_class: str | None,
    no_checks: bool,
) -> None:
    """Seal what FOLDER holds as a new dataset version; the folder stays as it is.

    Whose each file is comes from DICOM's own ids, a column of tables, or a pattern on
    paths. What belongs to nobody known is set aside in quarantine and never trains. Then the
    data are checked, as `cloister check` does.

    \b
    Examples:
      cloister add ./scans --labels labels.csv --subject-column patient_id
      cloister add ./images --subject-pattern '^(?P<subject>[^/]+)/'
      cloister add ./study --subject-column id --label-column outcome
    """
    rules = SubjectRules(issuer, subject_column, subject_pattern)
    wanted = LabelRules(issuer, subject_column, None, label_columns, folder.absolute())
    with open_lab(context) as lab, context.output.progress() as progress:
        source = LabelSource(labels, wanted) if labels or label_columns else None
        request = AddRequest(
            folder,
            rules,
            name,
            source,
            checks=not no_checks,
            data_class=None if data_class is None else DataClass(data_class),
        )
        try:
            report = add(lab, request, progress)
        except KeyboardInterrupt:
            context.output.note("what is sealed is taken up by the same add: see `cloister ls`")
            raise
        note_without_backup(context, lab)
    _show(context.output, report)


def _show(output: Output, report: AddReport) -> None:
    version = report.version or report.current
    news = "is new" if report.version else "stands: nothing was new"
    output.line(f"{version or report.dataset} {news if version else 'holds nothing yet'}")
    rate = report.size_bytes / report.seconds if report.seconds else 0
    aside = sum(report.quarantined.values())
    output.pairs(
        [
            (
                "sealed",
                f"{count(report.added, 'record')}, {size(report.size_bytes)} in"
                f" {report.seconds:.1f} s ({size(int(rate))}/s)",
            ),
            ("subjects", version and f"{version.subjects:,}"),
            ("labels", f"{report.labels:,} new" if report.labels else None),
            ("unchanged", f"{report.unchanged:,}" if report.unchanged else None),
            ("replaced", f"{report.superseded:,} older ones" if report.superseded else None),
            ("kept", f"{report.missing:,} no longer in the folder" if report.missing else None),
            ("root", version and version.root),
            ("set aside", f"{aside:,} in quarantine, which never train" if aside else None),
        ]
    )
    _show_left_out(output, report)
    if report.checked is not None:
        show_checks(output, report.checked)
    output.line("  The source folder still holds the plaintext; it is yours to keep or remove.")
    output.value(
        {
            "dataset": report.dataset,
            "version": version and version.number,
            "new": report.version is not None,
            "root": version and version.root,
            "records": version and version.records,
            "subjects": version and version.subjects,
            "entries": report.entries,
            "added": report.added,
            "unchanged": report.unchanged,
            "superseded": report.superseded,
            "missing": report.missing,
            "quarantined": report.quarantined,
            "labels": report.labels,
            "label_problems": dict(report.label_problems),
            "bytes": report.size_bytes,
            "seconds": round(report.seconds, 3),
            "checks": report.checked and checks_value(report.checked),
        }
    )


def _show_left_out(output: Output, report: AddReport) -> None:
    """What gave no record or no label, and why."""
    for code, number in sorted(report.quarantined.items()):
        output.line(f"  {number:>9,}  {code}: {Quarantine.of(code).reason}")
    if Quarantine.NO_SUBJECT.value in report.quarantined:
        output.line(
            "  Add again with --subject-column or --subject-pattern to say whose they are."
        )
    for code, number in sorted(report.label_problems.items()):
        output.line(f"  {number:>9,}  label lines {code}: {LabelProblem.of(code).reason}")
