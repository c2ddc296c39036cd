/**
 * Recognises what a program's last output says about its failure, whatever the program is written in. The
 * texts are those of the C library, and of the runtimes of common languages. Pure.
 */
import type { CauseKind } from "../../machines/events/cause.ts";
import { isFrame, lastStanza } from "./lastStanza.ts";
import { namedPaths } from "./namedPaths.ts";

/** What a line of output says. */
export interface Finding {
  readonly kind: CauseKind;
  /** The line, without surrounding blanks. */
  readonly line: string;
  /** Absolute paths that the line names; the likeliest first. */
  readonly paths: readonly string[];
  /** What else the text names: a host and port, a variable, a library, a command. Undefined if nothing. */
  readonly name?: string | undefined;
}

interface KnownText {
  readonly kind: CauseKind;
  readonly pattern: RegExp;
  /** Finds the name in the line, in its first group. The first pattern that matches counts. */
  readonly names?: readonly RegExp[];
}

/** Longer lines are not messages for people, and take long to search. */
const maxLineLength = 2_000;

const port = [/(?:port|Port) *[:=]? *(\d{1,5})\b/, /[\w\].*](:\d{1,5})\b/, /(:{1,3}\d{1,5})\b/];
const address = [/((?:\d{1,3}\.){3}\d{1,3}:\d{1,5})\b/, /(\[[\da-f:]+\]:\d{1,5})/i];
const variable = [
  /(?:variable|Variable|VARIABLE|env(?:ironment)?|setting)s? *[:=]? *[`'"]?\$?([A-Z][A-Z\d_]+)\b/,
  /[`'"$]([A-Z][A-Z\d_]+)\b/,
  /\b([A-Z][A-Z\d]*_[A-Z\d_]+)\b/,
];

/** PostgreSQL's programs, ssh, Python: no entry of /etc/passwd has the user's number. */
const namelessUser =
  /(?:could not look up effective user ID |local user with ID |No user exists for uid |getpwuid\(\): uid not found: )(\d+)/;

/**
 * The more special text first: a line of a missing library also says "No such file or directory". A text that
 * programs also print while they work must not be here.
 */
const knownTexts: readonly KnownText[] = [
  {
    // Of programs that end with it. Others, such as `whoami` and `id`, stand in scripts that go on.
    kind: "missing_path",
    pattern: namelessUser,
    names: [namelessUser],
  },
  {
    kind: "missing_library",
    pattern: /error while loading shared libraries|cannot open shared object file|Library not loaded/,
    names: [/libraries: ([^\s:]+):/, /([^\s:'"]+\.so[.\d]*): cannot open/],
  },
  {
    kind: "missing_library",
    pattern: /version [`'](?:GLIBC|GLIBCXX|CXXABI)_[\d.]+' not found/,
    names: [/version [`']((?:GLIBC|GLIBCXX|CXXABI)_[\d.]+)'/],
  },
  {
    kind: "missing_module",
    pattern:
      /ModuleNotFoundError|Cannot find (?:module|package) '|cannot load such file -- |Can't locate \S+ in @INC|ClassNotFoundException|NoClassDefFoundError|Could not find or load main class/,
    names: [
      /No module named '([^']+)'/,
      /Cannot find (?:module|package) '([^']+)'/,
      /such file -- (\S+)/,
      /Can't locate (\S+) in/,
      /(?:ClassNotFoundException|NoClassDefFoundError): (\S+)/,
      /main class (\S+)/,
    ],
  },
  {
    kind: "program_memory",
    pattern:
      /java\.lang\.OutOfMemoryError|JavaScript heap out of memory|\bMemoryError\b|std::bad_alloc|memory allocation of \d+ bytes failed|Allowed memory size of \d+ bytes exhausted|runtime: (?:cannot allocate memory|out of memory)|failed to allocate memory \(NoMemoryError\)|Cannot allocate memory|ENOMEM/,
    names: [
      /(java\.lang\.OutOfMemoryError(?:: [\w ]+)?)/,
      /(JavaScript heap out of memory)/,
      /(Allowed memory size of \d+ bytes exhausted)/,
      /(std::bad_alloc|MemoryError)/,
    ],
  },
  {
    kind: "port_in_use",
    pattern: /EADDRINUSE|[Aa]ddress (?:already )?in use|Address in use|port is already allocated/,
    names: port,
  },
  { kind: "disk_full", pattern: /ENOSPC|No space left on device|no space left on device|disk is full/ },
  { kind: "disk_full", pattern: /EDQUOT|Disk quota exceeded|disk quota exceeded/ },
  { kind: "read_only", pattern: /EROFS|[Rr]ead-only file ?system/ },
  { kind: "open_files", pattern: /EMFILE|Too many open files|too many open files/ },
  {
    kind: "processes",
    pattern:
      /Resource temporarily unavailable.*(?:fork|thread|clone)|(?:fork|pthread_create|clone)\b.*(?:EAGAIN|Resource temporarily unavailable)/,
  },
  {
    kind: "connection_refused",
    pattern: /ECONNREFUSED|[Cc]onnection refused|Failed to connect to \S+ port \d+/,
    names: [
      /(?:to|server at) "?([\w.:-]+"?,? port \d+)/,
      ...address,
      /(?:to|connect) "?([\w.-]+:\d{1,5})\b/,
      ...port,
    ],
  },
  {
    kind: "name_lookup",
    pattern:
      /Temporary failure in name resolution|Name or service not known|could not resolve host|Could not resolve host|getaddrinfo (?:ENOTFOUND|EAI_AGAIN)|no such host|UnknownHostException|nodename nor servname provided|Failed to resolve/,
    names: [
      /resolve host:? ([\w.-]+)/,
      /(?:ENOTFOUND|EAI_AGAIN) ([\w.-]+)/,
      /lookup ([\w.-]+)/,
      /UnknownHostException: ([\w.-]+)/,
      /host name "([^"]+)"/,
      /resolve '([^']+)'/,
      /host: ([\w.-]+)/,
    ],
  },
  {
    // `${NAME:?any text}` of a shell, which says other things about names in the same form.
    kind: "missing_variable",
    pattern:
      /^(?:\S+: )?(?:line )?\d+: [A-Z][A-Z\d_]*: (?!(?:command )?not found|[Pp]ermission denied|No such file|[Ii]s a directory|bad |invalid |cannot |is read only|readonly)/,
    names: [/\d+: ([A-Z][A-Z\d_]*): /],
  },
  {
    kind: "missing_variable",
    pattern:
      /unbound variable|parameter (?:null or )?not set|KeyError: '[A-Z][A-Z\d_]*'|key not found: "[A-Z][A-Z\d_]*"|[Ee]nvironment variable.*(?:not set|not found|missing|required|must be set|undefined|empty)|(?:[Mm]issing|[Rr]equired|[Uu]ndefined).*[Ee]nvironment variable|(?<!\()\b[A-Z][A-Z\d]*_[A-Z\d_]+\b (?:is |was |must be )?(?:not set|unset|missing|required|undefined|set!?$)|environment variable not found/,
    names: [/(?:^|[\s:])(\w+): (?:unbound variable|parameter (?:null or )?not set)/, ...variable],
  },
  {
    kind: "not_executable",
    pattern:
      /Exec format error|exec format error|cannot execute binary file|cannot execute: required file not found|bad interpreter/,
  },
  {
    kind: "permission",
    pattern:
      /EACCES|[Pp]ermission denied|Operation not permitted|EPERM|AccessDeniedException|PermissionError/,
    // Only of a line about a port.
    names: [
      /(?:bind|listen|[Ss]ocket)\b.*?(?:\bport *[:=]? *|[\w\].* ]:|:::)(\d{1,5})\b/,
      /(?:\bport *[:=]? *|[\w\].* ]:)(\d{1,5})\b.*\b(?:bind|listen)/,
    ],
  },
  {
    kind: "missing_path",
    pattern:
      /ENOENT|No such file or directory|no such file or directory|FileNotFoundError|FileNotFoundException|NoSuchFileException|does not exist|not found at|[Cc]annot find the (?:file|path)|Can't open|cannot open|error setting certificate/,
  },
  {
    kind: "missing_command",
    pattern: /: (?:command )?not found$|: not found\b|command not found/,
    names: [/(?:^|[\s:])([^\s:]+): (?:command )?not found/, /command not found: (\S+)/],
  },
];

/** A time of day is no port. */
const timeOfDay = /(?<=^|[\sT[(])\d{1,2}:\d{2}:\d{2}(?:[.,]\d+)?/g;

/** What the end of a program's output says. */
export interface Output {
  /** What the last message says, if it is a known text, and if the program did not go on after it. */
  readonly known?: Finding | undefined;
  /** The last message, without surrounding blanks; undefined if the program said nothing. */
  readonly lastLine?: string | undefined;
}

/**
 * What the last lines of a program's output say.
 * @param lines in the order of output, with the blanks at their beginnings: only the last stanza counts
 */
export function readEnd(lines: readonly string[]): Output {
  const stanza = lastStanza(lines);
  if (stanza === undefined) return {};
  const { head, rest, isPassing } = stanza;
  return { known: isPassing ? undefined : findingOf(head, rest), lastLine: head };
}

/** If the message names nothing, a line after it may: Node prints the errors of several addresses there. */
function findingOf(head: string, rest: readonly string[]): Finding | undefined {
  const found = findingIn(head);
  if (found === undefined || found.paths.length > 0 || found.name !== undefined) return found;
  const more = rest.flatMap((line) => findingIn(line) ?? []);
  const named = more.find(({ kind, name, paths }) => kind === found.kind && (name ?? paths[0]) !== undefined);
  return named === undefined ? found : { ...named, line: head };
}

function findingIn(line: string): Finding | undefined {
  if (line === "" || line.length > maxLineLength || isFrame(line)) return undefined;
  const known = knownTexts.find(({ pattern }) => pattern.test(line));
  if (known === undefined) return undefined;
  const text = line.replaceAll(timeOfDay, " ");
  const name = known.names?.map((each) => each.exec(text)?.[1]).find((each) => each !== undefined);
  return { kind: known.kind, line, paths: namedPaths(line), name: name?.replace(/^:+/, "") };
}
