/** The answer of `fleet why` as text. Pure. */
import { chanceText } from "../../../fleet/chanceText.ts";
import type { DescribedDifference, FailureGroup, FleetWhy } from "../../../fleet/why.ts";
import { countOf, formatCount } from "../../../units/counts.ts";
import { formatTime } from "../../../units/times.ts";
import { visible } from "../../../units/visible.ts";
import { wrap } from "../../../units/widths.ts";
import type { Style } from "../../terminal/style.ts";
import { formatTable } from "../../terminal/table.ts";

export interface Scope {
  /** Null for all jobs of this driver. */
  readonly job: string | null;
  readonly namespace: string;
  /** Milliseconds since the epoch; null without a limit. */
  readonly since: number | null;
}

const indent = "    ";

export function fleetWhyText(scope: Scope, why: FleetWhy, style: Style, width: number): string {
  const notes = why.notes.flatMap((note) => wrap(`${visible(note)}.`, width).map(style.yellow));
  const groups = why.groups.map((group) => groupText(group, scope, style, width));
  return [[headingOf(scope, why, style), ...notes].join("\n"), ...groups].join("\n\n");
}

function headingOf(
  { job, namespace, since }: Scope,
  { failed, good, other }: FleetWhy,
  style: Style,
): string {
  const what = job === null ? "All jobs of exec2" : `Job ${style.bold(visible(job))}`;
  const where = namespace === "*" ? "all namespaces" : `namespace ${visible(namespace)}`;
  const when = since === null ? "" : `, since ${formatTime(since)}`;
  const counts = [
    `${formatCount(failed)} failed`,
    `${formatCount(good)} good`,
    ...(other === 0 ? [] : [`${formatCount(other)} neither`]),
  ];
  return `${what}, ${where}${when}: ${countOf(failed + good + other, "allocation")}, ${counts.join(", ")}`;
}

function groupText(group: FailureGroup, { job }: Scope, style: Style, width: number): string {
  const { kind, object, text, failed, jobs, examples, firstMs, lastMs, named, others, sentence } = group;
  const name = object === null ? visible(kind) : `${visible(kind)} ${visible(object)}`;
  const inside = width - indent.length;
  const ofJobs = job === null ? [`of ${countOf(jobs.length, "job")}: ${shortList(jobs)}`] : [];
  const when = firstMs === lastMs ? formatTime(lastMs) : `${formatTime(firstMs)} to ${formatTime(lastMs)}`;
  const lines = [
    ...wrap(visible(text), inside).map(style.dim),
    ...wrap(`${visible(sentence)}.`, inside),
    ...([...named, ...others].length === 0 ? [] : differenceTable([...named, ...others], inside).split("\n")),
    ...wrap(
      visible([...ofJobs, when, `such as ${examples.map((id) => id.slice(0, 8)).join(", ")}`].join("; ")),
      inside,
    ).map(style.dim),
  ];
  return [
    `${style.bold(formatCount(failed))} ${style.red(name)}`,
    ...lines.map((line) => `${indent}${line}`),
  ].join("\n");
}

function differenceTable(differences: readonly DescribedDifference[], width: number): string {
  const rows = differences.map(
    ({ what, onNodes, ofNodes, failed, cases, otherFailed, otherCases, lnChance }) => [
      visible(what),
      onNodes === null ? "" : `${formatCount(onNodes)} of ${formatCount(ofNodes)}`,
      `${formatCount(failed)} of ${formatCount(cases)}`,
      `${formatCount(otherFailed)} of ${formatCount(otherCases)}`,
      chanceText(lnChance),
    ],
  );
  return formatTable([["what", "nodes", "failed there", "elsewhere", "by chance"], ...rows], width);
}

const maxJobs = 5;

function shortList(jobs: readonly string[]): string {
  const more = jobs.length > maxJobs ? ` and ${jobs.length - maxJobs} more` : "";
  return jobs.slice(0, maxJobs).join(", ") + more;
}
