/** What is known of a failure, and the parts of its cause. Pure. */
import { mapTexts } from "../../base/mapTexts.ts";
import type { AdvisedSetting } from "../../effects/verdicts.ts";
import type { BlackBoxRecord } from "../../machines/events/blackBox.ts";
import type { Cause, CauseKind } from "../../machines/events/cause.ts";
import type { Refusal } from "../../machines/events/denied.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { visible } from "../../units/visible.ts";

/** What the host shows of a path. */
export interface PathFacts {
  readonly path: string;
  /** Undefined if nothing is at the path on the host. */
  readonly found:
    | { readonly uid: number; readonly gid: number; readonly mode: number; readonly isFolder: boolean }
    | undefined;
  /** Where symlinks lead the path to on the host; undefined if there are none, or if they lead nowhere. */
  readonly target?: PathFacts | undefined;
}

/** What the host shows at the end of a task, as far as a finding asks for it. */
export interface HostEvidence {
  readonly paths: readonly PathFacts[];
  /** The file system with the least free space of those that the task may write to; undefined if unknown. */
  readonly disk: DiskFacts | undefined;
  /** Name of the program that listens at the port that the output names, such as `nginx`; undefined if unknown. */
  readonly listener: string | undefined;
  /** Whether anybody listens at this port of the host; undefined if unknown. */
  readonly isListening?: boolean | undefined;
  /** How often a limit on processes has refused the task another one; undefined if unknown. */
  readonly refusedProcesses?: number | undefined;
  /** CPU time that the task's processes used, in seconds; undefined if unknown. */
  readonly cpuSeconds: number | undefined;
  /**
   * Of a killed main process whose cgroup counts no kills: whether the kernel's log says that it was killed for lack of
   * memory, and of which; undefined if the log cannot be read.
   */
  readonly oomKill?: "host" | "cgroup" | "none" | undefined;
  /** Undefined without a black box. */
  readonly recorded?: Recorded | undefined;
}

/** The sandbox's last refusal before an end that may be its consequence. */
export interface RefusalBeforeEnd {
  readonly refusal: Refusal;
  /** The time from it to the end, in milliseconds. */
  readonly beforeMs: number;
}

/** What the black box had of a run. */
export interface Recorded {
  readonly record: BlackBoxRecord;
  /** The paths that the record has as missed. */
  readonly missed: readonly PathFacts[];
}

export interface DiskFacts {
  readonly path: string;
  readonly freeBytes: number;
  readonly totalBytes: number;
  readonly freeFiles: number;
}

/** Maximum length of a cause's text without its advice. */
const maxText = 160;

/** Maximum length of the kept line of output. */
const maxLine = 1_000;

/**
 * Maximum time between what the kernel recorded, a denial or a failed call, and the failure that it may have caused, in
 * milliseconds.
 */
export const consequenceMs = 2_000;

/** What a cause says. */
export interface Said {
  readonly text: string;
  readonly advice?: readonly AdvisedSetting[] | undefined;
}

/** A cause that something witnesses. @param line of the output, if it has led to the witness */
export function witnessed(kind: CauseKind, said: string | Said, line?: string): Cause {
  const { text, advice = [] } = typeof said === "string" ? { text: said } : said;
  return { grade: "witnessed", kind, text, advice: advice.map(recordedSetting), line: line ?? null };
}

function recordedSetting({ option, value, extent }: AdvisedSetting) {
  return { option, value: value === true ? value : [...value], ...(extent !== undefined && { extent }) };
}

/**
 * What the program's words are about, as far as the host shows it. Nobody knows whether it has ended for that, or gone
 * on, so there is no advice.
 * @param line the last message of the output
 */
export function told(kind: CauseKind, text: string, line: string): Cause {
  return { grade: "words", kind, text, advice: [], line };
}

/** No known cause. @param line the last message of the output, if there is one */
export function unknownCause(line: string | undefined): Cause {
  const text = "its cause is not known";
  const grade = line === undefined ? "unknown" : "words";
  return { grade, kind: "unknown", text, advice: [], line: line ?? null };
}

/**
 * The cause as it is recorded. The one place where text of a program gets into it: without secrets, which are taken out
 * before the texts are cut, and of visible characters.
 */
export function recordedCause(
  { text, advice = [], line, ...rest }: Cause,
  mask: (text: string) => string,
): Cause {
  return {
    ...rest,
    text: shortText(mask(text)),
    advice: mapTexts(advice, mask) as typeof advice,
    line: line === null ? null : visible(mask(line).slice(0, maxLine)),
  };
}

/** Makes a text visible, and shortens it in its middle. */
export function shortText(whole: string): string {
  const text = visible(whole);
  if (text.length <= maxText) return text;
  const rest = maxText - 1;
  return `${text.slice(0, Math.ceil(rest / 2))}…${text.slice(-Math.floor(rest / 2))}`;
}

export function limitOf({ sandbox }: TaskContext, resource: string) {
  const found = sandbox?.resourceLimits.find((each) => each.resource === resource);
  return { soft: found?.soft ?? null, hard: found?.hard ?? null };
}
