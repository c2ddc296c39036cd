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
  /** A state folder, a bundle, or a folder of bundles. */
  readonly stateDir: string;
}

/**
 * @returns the exit code
 * @throws DriverError `TASK_NOT_FOUND`, `STORE_FAILED`, `BUNDLE_INVALID`
 */
export async function showSizes(job: string, options: SizeOptions): Promise<number> {
  const now = Date.now();
  const recorded = await recordedRuns(job, options.stateDir);
  const runs = recorded.filter(({ endedAt }) => endedAt === null || endedAt >= now - options.since);
  if (runs.length === 0) throw noRuns(job, options.since, recorded);
  const sizes = sizesOf(runs, options, now);
  printRows("size", sizes, options.json, (style, width) => sizesText(sizes, options.headroom, style, width));
  return 0;
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
  const last = Math.max(...recorded.map(({ endedAt }) => endedAt ?? 0));
  return new DriverError(
    "TASK_NOT_FOUND",
    `no run of job ${job} is recorded of the last ${formatDuration(since)}; the last one ended at ${formatTime(last)}`,
    { hint: "Take earlier ones with --since" },
  );
}
