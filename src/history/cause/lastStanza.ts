/**
 * Finds what the last lines of a program's output are about: its last stanza, which is a message and the lines that
 * belong to it, such as a stack trace. A message that the program went on after is no cause of its end. Pure.
 */

/** A message at the end of an output. */
export interface Stanza {
  /** The line with the message, without surrounding blanks. */
  readonly head: string;
  /** The lines after it that belong to it, without surrounding blanks. */
  readonly rest: readonly string[];
  /** Whether it says that the program went on, as warnings do. */
  readonly isPassing: boolean;
}

/** The last stanza; undefined for an output of blank lines. @param lines in the order of output */
export function lastStanza(lines: readonly string[]): Stanza | undefined {
  const written = lines.filter((line) => line.trim() !== "");
  if (written.length === 0) return undefined;
  const found = written.findLastIndex((line) => !isTrailer(line));
  const at = found === -1 ? written.length - 1 : found;
  const head = (written[at] ?? "").trim();
  const rest = written.slice(at + 1).map((line) => line.trim());
  const words = [head, ...rest.filter((line) => !isFrame(line))];
  return {
    head,
    rest,
    isPassing: [levels, summary].some((each) => each.test(head)) || words.some((line) => passing.test(line)),
  };
}

/** Lines that belong to the message before them: stack traces, fields of an error, indented text, figures. */
function isTrailer(line: string): boolean {
  return /^\s/.test(line) || isFrame(line) || trailers.some((each) => each.test(line));
}

/** Whether a line is of a stack trace. It names files of the program itself. */
export function isFrame(line: string): boolean {
  return frames.some((each) => each.test(line.trim()));
}

const frames = [
  /^at /, // Java, Node, .NET
  /^File "/, // Python
  /^from \S+:\d+/, // Ruby
  /^#\d+[: ]/, // PHP, gdb
  /^\.\.\. \d+ (?:more|common frames)/, // Java
  /^goroutine \d+/, // Go
  /^created by /,
  /^[\w./*()\-{}]+\((?:0x[\da-f]+|[\da-fx, .{}?]*|\.\.\.)\)$/, // Go
  /^\d+: (?:0x[\da-f]+ |\S+::)/, // V8, Rust
];

const trailers = [
  /^[}\])]+[,;]?$/, // fields of Node's errors
  /^Emitted 'error' event /,
  /^Node\.js v\d/,
  /^-+ (?:Native|JS) stack ?trace -+$/i,
  /^(?:Stack trace|stack backtrace):/i,
  /^note: (?:run with `RUST_BACKTRACE|Some details are omitted)/, // Rust
  /^exit status \d+$/, // go run
  /^\d+\+\d+ records (?:in|out)$/, // dd
  /^\d+ bytes .*copied/,
  /^(?:Try '.* --help'|See '.* --help'|For more (?:details|information) see )/,
];

/** Levels of messages that tell of no failure. */
const levels = /(?:^|[\s[<("=|])(?:warn(?:ing)?|notice|info|debug|trace)(?:[\]>):|\s,"]|$)/i;

/** What tests of a program have found is not what has ended them, such as `1 failed: test_port (…)`. */
const summary = /^\d+ (?:tests? )?(?:failed|failures?|passed|errors?)\b/i;

/** Words of messages after which programs go on. */
const passing =
  /\b(?:hint|deprecat\w+|retr(?:y|ies|ied|ying)|(?:try|trying|tried) again|re-?trying|attempt \d|reconnect\w*|fall(?:ing)?[ -]?back|(?:using|assuming) (?:the |its |a )?(?:defaults?|built-?in|fallback|cached)|defaults? to|ignor(?:e|ed|ing)|skip(?:s|ped|ping)?|continu(?:e|es|ed|ing)|non-?fatal|not fatal|harmless|optional|disabl(?:ed|ing)|instead|proceed(?:s|ed|ing)?|anyway|recovered|without (?:it|cache|colou?r)|will be (?:used|created|ignored)|caught|handled|succeeded)\b/i;

/** The end of a stream of output. */
export interface Written {
  /** Without blank lines. */
  readonly lines: readonly string[];
  /** When the task last wrote to it, in milliseconds since the epoch; undefined if unknown. */
  readonly at: number | undefined;
}

/** What writes the files of two streams may write them in any order within this time, in milliseconds. */
const togetherMs = 250;

/**
 * What the end of an output says: that of the stream that was written to last. If both were written to at the same time,
 * nobody knows whether the program went on after a message in one of them, so that it stands for nothing.
 */
export function laterEnd<End extends { readonly known?: unknown; readonly lastLine?: string | undefined }>(
  stderr: Written | undefined,
  stdout: Written | undefined,
  read: (lines: readonly string[]) => End,
): End | Omit<End, "known"> | undefined {
  const ofStream = (each: Written | undefined) => (each?.lines.length ? each : undefined);
  const [error, out] = [ofStream(stderr), ofStream(stdout)];
  const only = error ?? out;
  if (only === undefined) return undefined;
  if (error === undefined || out === undefined) return read(only.lines);
  const later = out.at === undefined || error.at === undefined ? 0 : out.at - error.at;
  if (Math.abs(later) > togetherMs) return read(later > 0 ? out.lines : error.lines);
  const { known: _, ...rest } = read(error.lines);
  return rest;
}
