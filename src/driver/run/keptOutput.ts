/** The end of a failed run's output, which its history keeps if the operator says so: its folder is soon gone. */
import { setTimeout as delay } from "node:timers/promises";
import type { Secrets } from "../../base/masking.ts";
import { destinationOf } from "../../effects/logs/destination.ts";
import { LogFiles, logPlaces } from "../../effects/logs/logFiles.ts";
import { collectorMs } from "../../history/cause/diagnose.ts";
import type { KeptEnd } from "../../history/keptEnd.ts";
import type { Exit } from "../../machines/events/ending.ts";
import type { EventData } from "../../machines/events.ts";
import type { TaskContext } from "../../machines/taskContext.ts";

/** The most bytes of both streams together. */
export const keptBytes = 64 * 1024;
/** What is read before them, and not kept: a secret is not recognized where the read text begins within it. */
const marginBytes = 16 * 1024;

/**
 * Reads the end of a run's output, without the values of its environment. Never rejects.
 * @param secrets the task's; if they are incomplete, nothing is kept
 * @param until where the run's output ends, if the driver writes the log files
 * @returns undefined if there is none, or it is in journald
 */
export async function keptOutput(
  { request, sandbox }: TaskContext,
  { endedAt }: Pick<Exit, "endedAt">,
  secrets: Secrets,
  until: EventData<"exited">["output"],
): Promise<KeptEnd | undefined> {
  const from = sandbox?.output ?? null;
  const { to } = destinationOf(request);
  if (!secrets.isComplete || from === null || to === "journald") return undefined;
  // The driver's own logger has written everything by now.
  if (to === "agent") await delay(Math.max(0, collectorMs - (Date.now() - endedAt)));
  try {
    const places = logPlaces(request);
    const [stdout, stderr] = (["stdout", "stderr"] as const).map((stream) => {
      const files = new LogFiles(places[stream]);
      try {
        const text = files.last(from[stream], keptBytes + marginBytes, until?.[stream]);
        const isCut = Buffer.byteLength(text) >= keptBytes + marginBytes;
        const masked = Buffer.from(secrets.mask(text));
        return isCut ? masked.subarray(marginBytes) : masked;
      } finally {
        files.close();
      }
    }) as [Buffer, Buffer];
    return stdout.length + stderr.length === 0 ? undefined : lastOf(stdout, stderr);
  } catch {
    return undefined;
  }
}

/** The last bytes of both streams: half of the room is for each, and what one does not need is the other's. */
export function lastOf(stdout: Buffer, stderr: Buffer, room = keptBytes): KeptEnd {
  const half = Math.floor(room / 2);
  const outBytes = Math.min(stdout.length, Math.max(half, room - stderr.length));
  const errBytes = Math.min(stderr.length, room - outBytes);
  return { stdout: endOf(stdout, outBytes), stderr: endOf(stderr, errBytes) };
}

/** At most so many bytes of the end, which do not begin within a character. */
function endOf(text: Buffer, bytes: number): string {
  let begin = text.length - bytes;
  while (begin < text.length && ((text[begin] ?? 0) & 0xc0) === 0x80) begin += 1;
  return text.toString("utf8", begin);
}
