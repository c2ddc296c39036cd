/** Sizes as text: the lines of a job file that change, and what they rest on. Pure. */
import type { Distribution, Size, TaskSizing } from "../../../history/size/sizing.ts";
import { bytesText } from "../../../history/why/usage.ts";
import { countOf, formatCount, formatTimes } from "../../../units/counts.ts";
import { formatShare, rounded } from "../../../units/ratios.ts";
import { formatDay } from "../../../units/times.ts";
import { visible } from "../../../units/visible.ts";
import { wrap } from "../../../units/widths.ts";
import type { Style } from "../../terminal/style.ts";
import { formatTable } from "../../terminal/table.ts";

export function sizesText(
  sizes: readonly TaskSizing[],
  headroom: number,
  style: Style,
  width: number,
): string {
  return sizes.map((each) => sizeText(each, headroom, style, width)).join("\n\n");
}

function sizeText(sizing: TaskSizing, headroom: number, style: Style, width: number): string {
  const { namespace, job, group, task, runs, from, to, thin } = sizing;
  const place = `of group ${group}, job ${job}${namespace === "default" ? "" : ` in namespace ${namespace}`}`;
  const going = runs.going === 0 ? "" : `, ${formatCount(runs.going)} of them still going`;
  const days = [...new Set([formatDay(from), formatDay(to)])].join(" to ");
  const heading = `${style.bold(visible(task))} ${visible(place)}: ${countOf(runs.count, "run")}${going}, ${days}`;
  const warning = `The evidence is thin: ${thin.join(", ")}.`;
  return [
    heading,
    "",
    ...diffLines(sizing, style),
    formatTable(rowsOf(sizing, headroom), width),
    ...(thin.length === 0 ? [] : wrap(warning, width).map(style.yellow)),
  ].join("\n");
}

/** The block of a job file, with the attributes that change; empty if none does. */
function diffLines({ memory, cpu }: TaskSizing, style: Style): string[] {
  const changed = [
    { name: "cpu", size: cpu },
    { name: "memory", size: memory },
  ].flatMap(({ name, size }) => (size?.proposed == null ? [] : [{ name, ...size }]));
  const longest = Math.max(0, ...changed.map(({ name }) => name.length));
  const lines = changed.flatMap(({ name, reserved, proposed }) => [
    style.red(`-   ${name.padEnd(longest)} = ${reserved}`),
    style.green(`+   ${name.padEnd(longest)} = ${proposed}`),
  ]);
  return lines.length === 0 ? [] : ["  resources {", ...lines, "  }", ""];
}

function rowsOf(sizing: TaskSizing, headroom: number): string[][] {
  const { memory, cpu, memoryWaiting, disk, processes, stalls } = sizing;
  const isLess = memory?.proposed != null || cpu?.proposed != null;
  const rows: [string, string[]][] = [
    ["memory", memory === null ? [] : sizeSentences(memory, "MiB")],
    ["", memoryWaiting !== null && memoryWaiting >= 0.01 ? [waitingText(memoryWaiting)] : []],
    ["cpu", cpu === null ? [] : sizeSentences(cpu, "MHz")],
    ["disk", disk.most === null ? [] : [`At most ${bytesText(disk.most, disk.limit)} in its folders`]],
    [
      "processes",
      processes.most === null ? [] : [`At most ${ofLimit(processes.most, processes.limit)} in a sample`],
    ],
    ["stalls", stalls === 0 ? [] : [`Recorded ${formatTimes(stalls)}`]],
    ["headroom", isLess ? [`${Math.round(headroom * 100)} % more than the most that was used`] : []],
  ];
  return rows.flatMap(([name, sentences]) =>
    sentences.length === 0 ? [] : [[name, sentences.map((each) => `${each}.`).join(" ")]],
  );
}

function waitingText(share: number): string {
  return `Some of its processes waited for memory up to ${formatShare(share)} of a run`;
}

function ofLimit(most: number, limit: number | null): string {
  return limit === null ? formatCount(most) : `${formatCount(most)} of ${formatCount(limit)}`;
}

function sizeSentences({ reserved, used, notes }: Size, unit: string): string[] {
  const figures = used === null ? [] : [`${distributionText(used, unit)}; `];
  return [`${figures.join("")}${reserved} ${unit} reserved`, ...notes];
}

/** Quantiles that are the maximum of so few runs are left out. */
function distributionText({ runs, p50, p90, p99, most }: Distribution, unit: string): string {
  const shown = [
    ...(runs >= 3 ? [`p50 ${rounded(p50)}`] : []),
    ...(runs >= 11 ? [`p90 ${rounded(p90)}`] : []),
    ...(runs >= 101 ? [`p99 ${rounded(p99)}`] : []),
    `at most ${rounded(most)}`,
  ];
  return `${shown.join(", ")} ${unit} in ${countOf(runs, "run")}`;
}
