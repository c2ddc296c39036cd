/** Why a task failed, as its event `exited` records it. Pure. */
import { z } from "zod";

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

/**
 * Who says it. `witnessed`: the kernel, the record of its calls, or what the host showed at the end. `words`: only the
 * end of the program's own output, which may be about something else; the kind is `unknown` then.
 */
const causeGrades = ["witnessed", "words", "unknown"] as const;

export const cause = z.object({
  grade: z.enum(causeGrades),
  kind: z.enum(causeKinds),
  /**
   * One sentence without its full stop, of at most 160 characters. Of the task's output it has at most a name:
   * of a path, a host, a port, a variable, a library or a command.
   */
  text: z.string(),
  /**
   * The last message of the task's output, if it shows the cause or if the cause is unknown; null if the cause is
   * known from elsewhere, or without output.
   */
  line: z.string().nullable(),
});

export type Cause = z.infer<typeof cause>;

/** A text on an end with the cause behind it, or else with what has changed since the last good run, if known. */
export function withCause(
  text: string,
  { cause, changes }: { readonly cause: Cause | null; readonly changes?: readonly string[] | undefined },
): string {
  const known = knownCause(cause);
  return known === undefined ? [text, ...changesText(changes)].join("; ") : `${text}: ${known.text}`;
}

/** What has changed since the last good run, as a clause; none if that is not known. */
export function changesText(changes: readonly string[] | undefined): string[] {
  return changes === undefined ? [] : [`since the last good run: ${changes.join("; ")}`];
}

/** The cause, if it is known. */
export function knownCause(cause: Cause | null | undefined): Cause | undefined {
  return cause == null || cause.kind === "unknown" ? undefined : cause;
}
