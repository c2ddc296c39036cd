/** The process that takes a run's output: its logger, or its relay. Pure. */
import { shortName, type TaskIdParts } from "../../base/taskId.ts";
import type { Destination, LogBounds } from "./destination.ts";
import type { OwnLogFolder } from "./logFiles.ts";
import { type Logger, newStream } from "./logger.ts";
import type { Relay } from "./relay.ts";

/** The files of a run that are the collector's. */
interface CollectorFiles {
  readonly logRecord: string;
  readonly loggerAlive: string;
}

/** @param begin where the output of a run begins in log files of the driver's; undefined in a plan to be shown */
export function collectorOf(
  { output, ...run }: TaskIdParts & { readonly output: Destination },
  files: CollectorFiles,
  begin: OwnLogFolder["begin"] | undefined,
): { readonly logger: Logger | undefined; readonly relay: Relay | undefined } {
  return {
    logger:
      output.to === "files" && begin ? loggerOf(run, output.bounds, files, streamsFrom(begin)) : undefined,
    relay: output.to === "journald" ? relayOf(run, files) : undefined,
  };
}

/** The relay of a run's output to journald. */
export function relayOf(run: TaskIdParts, { logRecord, loggerAlive }: CollectorFiles): Relay {
  return { name: nameOf(run), recordFile: logRecord, aliveFifo: loggerAlive };
}

/** The driver's own logger of a run. */
export function loggerOf(
  run: TaskIdParts,
  { maxFiles, maxFileBytes, bytesPerSecond = 0 }: LogBounds,
  files: CollectorFiles,
  streams: Logger["streams"],
): Logger {
  return { ...relayOf(run, files), base: run.taskName, maxFiles, maxFileBytes, bytesPerSecond, streams };
}

/** `exec2-log: 6f2d4a9e/web` in `ps`. */
function nameOf({ taskName, allocId }: TaskIdParts): string {
  return `exec2-log: ${shortName({ allocId, taskName })}`;
}

/** @param begin where the output of a run begins */
export function streamsFrom({ stdout, stderr }: OwnLogFolder["begin"]): Logger["streams"] {
  return { stdout: { ...newStream, index: stdout.file }, stderr: { ...newStream, index: stderr.file } };
}
