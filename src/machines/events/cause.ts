/** Why a task failed, as its event `exited` records it. Pure. */
import { z } from "zod";
import { settingLine } from "../../base/setting.ts";
import { visible } from "../../units/visible.ts";

/** The kinds of causes: stable, because metrics have them as a label. */
export const causeKinds = [
  "denied",
  "missing_path",
  "permission",
  "missing_command",
  "not_executable",
  "missing_library",
  "missing_module",
  "missing_variable",
  "port_in_use",
  "connection_refused",
  "name_lookup",
  "disk_full",
  "read_only",
  "open_files",
  "processes",
  "memory_limit",
  "host_memory",
  "program_memory",
  "cpu_time",
  "file_size",
  "signal",
  "unknown",
] as const;

export type CauseKind = (typeof causeKinds)[number];

/** Kinds of causes by the errno of a failed call that tells no more. */
export const kindsOfErrors: Readonly<Record<string, CauseKind | undefined>> = {
  ENOENT: "missing_path",
  ENOTDIR: "missing_path",
  EACCES: "permission",
  EPERM: "permission",
  EADDRINUSE: "port_in_use",
  ECONNREFUSED: "connection_refused",
  ENOSPC: "disk_full",
  EDQUOT: "disk_full",
  EROFS: "read_only",
  EMFILE: "open_files",
  ENFILE: "open_files",
};

/**
 * Who says it. `witnessed`: the kernel, or the record of its calls. `words`: only the end of the program's own output,
 * which may be about something else; the kind is what the words are about, if the host shows that, or `unknown`.
 */
const causeGrades = ["witnessed", "words", "unknown"] as const;

/** A line of the task's `config`, and in words what it allows besides. */
const advisedSetting = z.object({
  option: z.string(),
  value: z.union([z.literal(true), z.array(z.union([z.string(), z.number()]))]),
  extent: z.string().optional(),
});

export const cause = z.object({
  grade: z.enum(causeGrades),
  kind: z.enum(causeKinds),
  /**
   * One sentence without its full stop, of at most 160 characters. Of the task's output it has at most a name:
   * of a path, a host, a port, a variable, a library or a command.
   */
  text: z.string(),
  /** The options that would have helped; empty if none is known. Missing in earlier events, whose text has them. */
  advice: z.array(advisedSetting).optional(),
  /**
   * The last message of the task's output, if it shows the cause or if the cause is unknown; null if the cause is
   * known from elsewhere, or without output.
   */
  line: z.string().nullable(),
});

export type Cause = z.infer<typeof cause>;

/** The cause and its advice, as one sentence without its full stop. */
export function causeText({ kind, text, advice = [] }: Cause): string {
  if (advice.length === 0) return text;
  const lines = advice.map(({ extent, ...setting }) =>
    extent === undefined ? settingLine(setting) : `${settingLine(setting)} (${extent})`,
  );
  const has = (name: string) => advice.some(({ option }) => option === name);
  return visible(`${text}${adviceWords(kind, has)(lines.join(" and "))}`);
}

/** What is said of the lines that would have helped. */
function adviceWords(kind: CauseKind, has: (option: string) => boolean): (lines: string) => string {
  if (has("identity_files")) return (lines) => `: ${lines} makes one`;
  if (kind === "missing_path") return (lines) => `: ${lines}`;
  if (kind === "permission" && has("cap_add")) return (lines) => `: it takes ${lines}`;
  if (kind === "permission") return (lines) => `: chown it, or ${lines}`;
  return (lines) => `; ${lines} allows it`;
}

/** A text on an end with the cause behind it, or else with what has changed since the last good run, if known. */
export function withCause(
  text: string,
  { cause, changes }: { readonly cause: Cause | null; readonly changes?: readonly string[] | undefined },
): string {
  const known = knownCause(cause);
  return known === undefined ? [text, ...changesText(changes)].join("; ") : `${text}: ${causeText(known)}`;
}

/** What has changed since the last good run, as a clause; none if that is not known. */
export function changesText(changes: readonly string[] | undefined): string[] {
  return changes === undefined ? [] : [`since the last good run: ${changes.join("; ")}`];
}

/** The kind, for those who count causes: what only the program's words are about is none. */
export function witnessedKind({ grade, kind }: Cause): CauseKind {
  return grade === "witnessed" ? kind : "unknown";
}

/** The cause, if it is known, or at least what the program's words are about. */
export function knownCause(cause: Cause | null | undefined): Cause | undefined {
  return cause == null || cause.kind === "unknown" ? undefined : cause;
}
