/**
 * Reads the kind and the object of a cause back from the text that Nomad's state has of it, the exit message: Nomad
 * keeps no more. Pure.
 */
import { type CauseKind, kindsOfErrors } from "../machines/events/cause.ts";

export interface ReadCause {
  readonly kind: CauseKind;
  /** A path, a port, a name, a limit; null if the text names none. */
  readonly object: string | null;
}

/** Beginnings of the texts of src/history/cause, with the object in the first group that matches. */
const texts: readonly (readonly [CauseKind, RegExp])[] = [
  ["denied", /^it was denied (.+?)(?:[;:] .*)?$/],
  [
    "memory_limit",
    /^(?:killed by the kernel|the kernel killed one of its processes): (\S+ \S+) memory limit was full/,
  ],
  [
    "host_memory",
    /^(?:killed by the kernel|the kernel killed one of its processes): (?:the host|a memory limit was full that)/,
  ],
  ["missing_path", /^it last missed (.+?), which the host has/],
  ["missing_path", /^its last line names its user (\d+)/],
  ["missing_path", /^nothing at (.+?)(?:, neither in| in its root|$)/],
  ["missing_path", /^its last line names (.+?)(?:: nothing is there|, neither in| in its root)/],
  ["missing_path", /^(.+?) is a link to .+, which the host has/],
  ["missing_path", /^(.+) is a link, and what it points to is not there/],
  ["permission", /^(?:its last line names )?(port \d+)(?:: those| is) below/],
  ["permission", /^(?:its last line: )?(?:file|folder) (.+?) (?:is not executable: its mode|belongs to )/],
  ["missing_library", /^the shared library (.+?) is missing/],
  ["missing_variable", /^its last line names the variable (\S+),/],
  ["missing_command", /^its shell did not find the command (.+)$/],
  ["not_executable", /^(.+) is no program for this machine/],
  ["port_in_use", /^its last line names (port .+?), which is in use now/],
  ["port_in_use", /^(.+) is already in use/],
  ["connection_refused", /^(?:it could not connect to|its last line names) (.+?): nobody listens there/],
  ["disk_full", /^its disk limit of (\S+ \S+) was full/],
  ["disk_full", /^its last line tells of a quota/],
  ["disk_full", /^no space is left on (?:a|the) file system that it (?:writes|wrote) to(?:[:;] at (.+), )?/],
  ["disk_full", /^no space was left where it wrote \(.*?(?:, for (.+?))?\)/],
  ["read_only", /^it wrote to a read-only file system(?:, at (.+))?$/],
  ["read_only", /^its last line names (.+?), which is (?:in a volume that is|mounted) read-only/],
  ["open_files", /^it has too many open files/],
  ["processes", /^(?:its limit on processes and threads was full|it could start no more processes)/],
  ["program_memory", /^(?:the kernel gave it no more memory|its last line tells of a lack of memory)/],
  ["program_memory", /^SIGABRT right after its last message: it ran out of memory/],
  ["cpu_time", /^it used all of its CPU time/],
  ["file_size", /^a file got larger than its limit/],
  ["signal", /^(SIG[^:,]+)[:,] /],
  ["signal", /^killed by (.+)$/],
  ["signal", /^(?:ended by|exit code \d+: one of its processes got) (SIG[^,;]+)/],
];

/** What a text says of the failed call behind it. */
const witnesses = / \((?:its last failed call|a failed call that its last line names)\)/;

/** Undefined for a text that is no cause of this driver. */
export function readCause(said: string): ReadCause | undefined {
  const text = said.replace(witnesses, "");
  const [, object, error = ""] =
    /^its last failed call: (?:a look at|\S+)(?: (.+?))?, (E[A-Z0-9]+)/.exec(text) ?? [];
  const kindOfError = kindsOfErrors[error];
  if (kindOfError !== undefined) return { kind: kindOfError, object: withoutIds(object) };
  for (const [kind, pattern] of texts) {
    const found = pattern.exec(text);
    if (found !== null) return { kind, object: withoutIds(found[1]) };
  }
  return undefined;
}

const id = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** What differs between equal failures of two allocations: their ids, and pids. */
export function withoutIds(text: string | undefined): string | null {
  return text === undefined ? null : text.replaceAll(id, "…").replaceAll(/\bpid \d+/g, "pid …");
}
