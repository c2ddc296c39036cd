/** Policies and verdicts as text. Pure. */
import type { CandidateVerdict, TaskVerdict } from "../../../history/policy/judge.ts";
import type { EntryUse, TaskPolicy } from "../../../history/policy/policy.ts";
import { countOf, formatCount } from "../../../units/counts.ts";
import { formatBytes } from "../../../units/sizes.ts";
import { formatDay } from "../../../units/times.ts";
import { visible } from "../../../units/visible.ts";
import { wrap } from "../../../units/widths.ts";
import type { Style } from "../../terminal/style.ts";
import { formatTable } from "../../terminal/table.ts";

export function policiesText(policies: readonly TaskPolicy[], style: Style, width: number): string {
  return policies.map((each) => policyText(each, style, width)).join("\n\n");
}

function policyText(policy: TaskPolicy, style: Style, width: number): string {
  const { job, group, task, runs, from, to, entries, gaps } = policy;
  const days = [...new Set([formatDay(from), formatDay(to)])].join(" to ");
  const heading = `${style.bold(visible(task))} ${visible(`of group ${group}, job ${job}`)}: ${countOf(runs, "observed run")}, ${days}`;
  const rows = entries.map((each) => [each.option, visible(each.entry), useText(each, runs)]);
  return [
    heading,
    ...(rows.length === 0 ? [] : ["", formatTable(rows, width)]),
    ...diffLines(policy, style),
    ...notesOf(policy).flatMap((note) => wrap(visible(note), width)),
    ...candidateLines(policy, width),
    ...gaps.flatMap(({ why, runs: count }) =>
      wrap(`Of ${countOf(count, "run")}, not all is known: ${why}.`, width).map(style.yellow),
    ),
  ].join("\n");
}

/** A run in a hundred. */
const rareShare = 0.01;

function useText({ entry, runs, lastAt, smallest }: EntryUse, all: number): string {
  if (lastAt === null) return `never used in ${countOf(all, "run")}`;
  const isRare = runs <= Math.max(1, all * rareShare) && all > 1;
  const less = smallest === null || smallest === entry ? "" : `; ${visible(smallest)} is enough`;
  return `used by ${isRare ? "only " : ""}${formatCount(runs)} of ${countOf(all, "run")}, last on ${formatDay(lastAt)}${less}`;
}

/** The lines of a job file that change. */
function diffLines({ smallest, entries }: TaskPolicy, style: Style): string[] {
  const lines = Object.entries(smallest).flatMap(([option, values]) => {
    const before = entries.filter((each) => each.option === option).map(({ entry }) => entry);
    const isNumeric = values.every((value) => typeof value === "number") && /^(?:connect|bind)_/.test(option);
    const text = (list: readonly (string | number)[]) =>
      visible(`[${list.map((each) => (isNumeric ? String(each) : JSON.stringify(each))).join(", ")}]`);
    return [style.red(`-   ${option} = ${text(before)}`), style.green(`+   ${option} = ${text(values)}`)];
  });
  return lines.length === 0 ? [] : ["", "  config {", ...lines, "  }", ""];
}

function notesOf({ unmet, connects, memoryBytes, processes }: TaskPolicy): string[] {
  return [
    ...(unmet.length > 0 ? [`Earlier runs used what the options no longer allow: ${unmet.join(", ")}.`] : []),
    ...(connects.length > 0 ? [`Connected to: ${connects.join(", ")}. No egress limits that.`] : []),
    ...(memoryBytes === null ? [] : [`At most ${formatBytes(memoryBytes)} of memory.`]),
    ...(processes === null ? [] : [`At most ${formatCount(processes)} processes and threads.`]),
  ];
}

function candidateLines({ candidate }: TaskPolicy, width: number): string[] {
  if (candidate === null) return [];
  const { file, refused, others, unclear } = candidate;
  const things = refused.length + others === 0 ? " nothing that is known." : ":";
  const heading = `By the events of runs, the candidate ${file} would have refused${things}`;
  return [
    ...wrap(visible(heading), width),
    ...refused.flatMap((each) => indented(refusedText(each), width)),
    ...(others === 0 ? [] : indented(`${countOf(others, "further thing")} that no event names`, width)),
    ...unclear.flatMap((each) => indented(unclearText(each), width)),
  ];
}

function refusedText({ what, runs, lastAt }: CandidateVerdict["refused"][number]): string {
  return `${what}: ${countOf(runs, "run")}, last on ${formatDay(lastAt)}`;
}

function unclearText({ why, runs }: CandidateVerdict["unclear"][number]): string {
  return `not judged, ${countOf(runs, "run")}: ${why}`;
}

function indented(text: string, width: number): string[] {
  return wrap(visible(text), width - 2).map((line) => `  ${line}`);
}

const judgements = {
  allows: (runs: number) => `nothing that ${countOf(runs, "observed run")} used would be refused`,
  refuses: (runs: number) => `of ${countOf(runs, "observed run")}, some would be refused what they used`,
  unclear: (runs: number) =>
    `nothing known would be refused, but not all of ${countOf(runs, "observed run")} can be judged`,
};

export function verdictsText(verdicts: readonly TaskVerdict[], style: Style, width: number): string {
  const paints = { allows: style.green, refuses: style.red, unclear: style.yellow };
  return verdicts
    .flatMap(({ task, judgement, runs, refused, unclear }) => [
      `${style.bold(visible(task))}: ${paints[judgement](judgements[judgement](runs))}`,
      ...refused.flatMap((each) => indented(refusedText(each), width)),
      ...unclear.flatMap((each) => indented(unclearText(each), width)),
      "  System calls and their arguments are not observed.",
    ])
    .join("\n");
}
