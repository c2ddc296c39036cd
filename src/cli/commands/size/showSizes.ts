/** `size`: proposes resources for a job's tasks. */
import { DriverError } from "../../../base/errors.ts";
import { parentJob } from "../../../base/jobName.ts";
import { suggestion } from "../../../base/suggest.ts";
import { readHistory } from "../../../history/replay/storedHistory.ts";
import { type RunUse, runUse } from "../../../history/size/runUse.ts";
import { type SizingOptions, sizesOf } from "../../../history/size/sizing.ts";
import { formatDuration } from "../../../units/durations.ts";
import { formatTime } from "../../../units/times.ts";
import { visible } from "../../../units/visible.ts";
import { EventLogs, jobIn } from "../../histories/eventLogs.ts";
import { foldReadable } from "../../histories/readHistory.ts";
import { printRows } from "../../terminal/output.ts";
import { sizesText } from "./sizeView.ts";

export interface SizeOptions extends SizingOptions {
  /** Milliseconds before now. */
  readonly since: number;
  readonly json: boolean;
  /** Address of the Prometheus server that has the evidence; undefined for the event logs. */
  readonly prometheus?: string | undefined;
  /** A state folder, a bundle, or a folder of bundles. */
  readonly stateDir: string;
}

/**
 * @returns the exit code
 * @throws DriverError `TASK_NOT_FOUND`, `STORE_FAILED`, `BUNDLE_INVALID`; `PROMETHEUS_FAILED`, `CONFIG_INVALID`
 */
export async function showSizes(job: string, options: SizeOptions): Promise<number> {
  const now = Date.now();
  const { runs, killed } =
    options.prometheus === undefined
      ? { runs: await runsSince(job, options, now), killed: 0 }
      : await runsOfServer(job, options.prometheus, options, now);
  const sizes = sizesOf(runs, { ...options, killed }, now);
  printRows("size", sizes, options.json, (style, width) => sizesText(sizes, options.headroom, style, width));
  return 0;
}

async function runsOfServer(job: string, address: string, { since }: SizeOptions, now: number) {
  const { prometheusRuns } = await import("./prometheusRuns.ts");
  const evidence = await prometheusRuns(address, process.env.PROMETHEUS_TOKEN || undefined, job, {
    since,
    now,
  });
  if (evidence.runs.length > 0) return evidence;
  throw new DriverError(
    "TASK_NOT_FOUND",
    `Prometheus has no task of a job ${job} in the last ${formatDuration(since)}`,
    { hint: "It has to scrape the plugins (the option metrics); --since takes earlier tasks" },
  );
}

async function runsSince(job: string, { since, stateDir }: SizeOptions, now: number): Promise<RunUse[]> {
  const recorded = await recordedRuns(job, stateDir);
  const runs = recorded.filter(({ endedAt }) => endedAt === null || endedAt >= now - since);
  if (runs.length === 0) throw noRuns(job, since, recorded);
  return runs;
}

/** All runs of a job that a log has. @throws DriverError `TASK_NOT_FOUND` if it has none */
async function recordedRuns(job: string, path: string): Promise<RunUse[]> {
  await using logs = await EventLogs.open(path);
  const others = new Set<string>();
  const runs = logs.tasks().flatMap(({ id, reader }) => {
    const [first] = readHistory(reader, id, 1, 1);
    const name = parentJob((first && jobIn(first)) ?? "");
    if (name !== job) {
      others.add(visible(name));
      return [];
    }
    const events = readHistory(reader, id);
    return runUse(foldReadable(events), events, reader.usage(id)) ?? [];
  });
  if (runs.length > 0) return runs;
  throw new DriverError("TASK_NOT_FOUND", `no run of a job ${job} is recorded in ${path}`, {
    hint: suggestion(
      job,
      [...others].filter((name) => name !== ""),
    ),
  });
}

function noRuns(job: string, since: number, recorded: readonly RunUse[]): DriverError {
  const last = recorded.reduce((last, { endedAt }) => Math.max(last, endedAt ?? 0), 0);
  return new DriverError(
    "TASK_NOT_FOUND",
    `no run of job ${job} is recorded of the last ${formatDuration(since)}; the last one ended at ${formatTime(last)}`,
    { hint: "Take earlier ones with --since" },
  );
}
