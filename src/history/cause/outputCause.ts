/**
 * What the last message of a task's own output is about, and whether that is the cause. The record of the task's calls
 * witnesses it: the call that the message tells of was the last failed one before the end. What the host shows of a
 * message is told as such: nobody knows whether the program went on after it. Pure.
 */
import { NOT_EXECUTABLE, NOT_FOUND } from "../../base/taskEnd.ts";
import { isAtOrBelow } from "../../effects/paths/paths.ts";
import { FIRST_FREE_PORT, LOW_PORTS } from "../../effects/seccomp/portRestrictions.ts";
import { type Cause, type CauseKind, kindsOfErrors } from "../../machines/events/cause.ts";
import type { Exit } from "../../machines/events/ending.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { formatBytes } from "../../units/sizes.ts";
import { callFor, type DecisiveCall, decisiveCall, hasOwnCode, lastCallText, portOf } from "./decisive.ts";
import {
  type DiskFacts,
  type HostEvidence,
  limitOf,
  type PathFacts,
  type Said,
  told,
  witnessed,
} from "./evidence.ts";
import type { Finding } from "./knownTexts.ts";
import { isPlain, mayGoOn } from "./namedPaths.ts";
import {
  isFileWithoutX,
  isIdmapped,
  isInRoot,
  isLink,
  isOfVolume,
  nameOf,
  rootDirOf,
  type Sandbox,
  settingsToUnveil,
} from "./roots.ts";

/** What is known of a message. */
interface Message {
  readonly finding: Finding;
  readonly context: TaskContext;
  readonly end: Exit;
  readonly evidence: HostEvidence;
  /** The recorded call that failed as the message says, and decided the end; undefined if there is none. */
  readonly call: DecisiveCall | undefined;
}

/** The cause, or what the message is about; undefined if nothing confirms what it says. */
export function outputCause(
  finding: Finding,
  context: TaskContext,
  end: Exit,
  evidence: HostEvidence,
): Cause | undefined {
  const { kind, line } = finding;
  const record = evidence.recorded?.record;
  const found = callFor(finding, record, end.endedAt);
  const call = found && record && decisiveCall(finding, found, record, context.process?.task.pid);
  // The program has gone on after the call, or has never made it.
  if (record !== undefined && call === undefined && (found !== undefined || isOfCall.has(kind)))
    return undefined;
  if (hasOwnCode(end, finding)) return call && lastCall(call, line);
  const said = saidOf({ finding, context, end, evidence, call });
  if (said === undefined) return undefined;
  const { text, advice = [] } = typeof said === "string" ? { text: said } : said;
  if (call !== undefined) {
    const witness = call.isLast ? "its last failed call" : "a failed call that its last line names";
    return witnessed(kind, { text: `${text} (${witness})`, advice }, line);
  }
  return /^its last line[ :]/.test(text) && advice.length === 0
    ? told(kind, text, line)
    : witnessed(kind, { text, advice }, line);
}

/** Of a program that ended with a code of its own after a failed call, only that is told. */
function lastCall(call: DecisiveCall, line: string): Cause | undefined {
  const kind = call.isLast ? kindsOfErrors[call.error] : undefined;
  return kind && told(kind, lastCallText(call), line);
}

/** What the kernel refuses only in a call of the task, which the record would have. */
const isOfCall: ReadonlySet<CauseKind> = new Set([
  ...(["port_in_use", "permission", "read_only", "missing_path", "missing_library", "open_files"] as const),
]);

function saidOf(message: Message): string | Said | undefined {
  const { finding, context, end, evidence, call } = message;
  const { kind, line, name } = finding;
  switch (kind) {
    case "missing_path":
      return name === undefined ? missingPath(message) : missingUser(message);
    case "permission":
      return lowPort(message) ?? permission(message);
    case "missing_library":
      return call?.object == null
        ? undefined
        : `the shared library ${name ?? call.object} is missing, or not unveiled`;
    case "missing_variable":
      if (name === undefined || context.request === null || context.request.envKeys.includes(name))
        return undefined;
      return `its last line names the variable ${name}, which its environment does not have`;
    case "missing_command":
      // Other programs say "not found" of other things.
      return end.exitCode === NOT_FOUND && name !== undefined && isOfShell(line)
        ? `its shell did not find the command ${name}`
        : undefined;
    case "not_executable":
      return end.exitCode === NOT_EXECUTABLE || call !== undefined ? notExecutable(finding) : undefined;
    case "port_in_use":
      return portInUse(message);
    case "connection_refused":
      return connectionRefused(message);
    case "disk_full":
      return limitText(context, end, call?.error === "EDQUOT") ?? toldLimit(message) ?? diskFull(message);
    case "read_only":
      return readOnly(message);
    case "open_files":
      return (
        call &&
        `it has too many open files (${call.call}, ${call.error}): ulimit nofile = ${limitOf(context, "RLIMIT_NOFILE").soft ?? "unknown"}`
      );
    case "processes":
      return evidence.refusedProcesses
        ? "its limit on processes and threads was full, as the kernel counts: see pids_limit"
        : call &&
            `it could start no more processes or threads (${call.call}, ${call.error}): see ulimit nproc`;
    case "program_memory":
      return programMemory(message);
    default:
      return undefined;
  }
}

function missingPath({ finding: { line }, context, evidence, call }: Message): string | Said | undefined {
  const { sandbox } = context;
  if (sandbox === null) return undefined;
  const nothingAt = (path: string) =>
    call === undefined ? `its last line names ${path}: nothing is there` : `nothing at ${path}`;
  const isCertain = ({ path }: PathFacts) => isPlain(path) && !mayGoOn(path, line);
  if (rootDirOf(context) !== undefined) {
    const gone = evidence.paths.find((each) => each.found === undefined && isCertain(each));
    return gone && `${nothingAt(gone.path)} in its root_dir${call === undefined ? "" : ": install it there"}`;
  }
  for (const facts of evidence.paths) {
    const { path, found, target } = facts;
    if (found === undefined) {
      if (!isCertain(facts)) return undefined;
      return sandbox.root === "private"
        ? `${nothingAt(path)}${call === undefined ? "," : ","} neither in its root nor on the host`
        : nothingAt(path);
    }
    const advice = call === undefined ? [] : settingsToUnveil(facts, context);
    if (!isInRoot(path, sandbox) && (target !== undefined || !isLink(found)))
      return { text: `${nothingAt(nameOf(facts))} in its root; the host has it`, advice };
    if (call?.object !== path || !isLink(found)) continue;
    if (target === undefined) return `${path} is a link, and what it points to is not there`;
    if (isInRoot(target.path, sandbox) || isOfVolume(target.path, context)) continue;
    return { text: `${path} is a link to ${target.path}, which the host has, but not its root`, advice };
  }
  return undefined;
}

/** The codes with which PostgreSQL's programs, Python and ssh end if their user has no name. */
const namelessCodes: readonly number[] = [1, 2, 255];

/** A user's number for which a root without /etc/passwd has no name. */
function missingUser({ finding: { name }, context, end }: Message): Said | undefined {
  const { sandbox } = context;
  if (sandbox === null || Number(name) !== sandbox.uid || !namelessCodes.includes(end.exitCode))
    return undefined;
  // What the folder, or the volume, of such a root has is not known.
  if (rootDirOf(context) !== undefined || isInRoot(namesFile, sandbox) || isOfVolume(namesFile, context))
    return undefined;
  return {
    text: `its last line names its user ${name}, and its root has no ${namesFile}`,
    advice: [{ option: "identity_files", value: true }],
  };
}

const namesFile = "/etc/passwd";

/** A refused low port, for which no option but a capability is missing. */
function lowPort({
  finding: { name },
  context: { request, sandbox },
  call,
}: Message): string | Said | undefined {
  // Python's message names no port.
  const isBind = call?.call === "bind" && call.object?.startsWith("/") === false;
  const port = Number(name ?? (isBind ? portOf(call.object ?? "") : undefined));
  if (sandbox === null || !(port > 0 && port < FIRST_FREE_PORT)) return undefined;
  if (sandbox.uid === 0 || sandbox.capabilities?.includes(LOW_PORTS)) return undefined;
  const ports = request?.options.bind_tcp;
  // Then the list of ports refuses it first, and that denial is recorded.
  if (Array.isArray(ports) && !ports.includes(port)) return undefined;
  return call === undefined
    ? `its last line names port ${port}: those below ${FIRST_FREE_PORT} take a capability that it does not have`
    : {
        text: `port ${port} is below ${FIRST_FREE_PORT}`,
        advice: [{ option: "cap_add", value: [LOW_PORTS] }],
      };
}

function permission({ finding, context, evidence, call }: Message): string | Said | undefined {
  const { request, sandbox } = context;
  if (sandbox === null) return undefined;
  for (const { path, found } of evidence.paths) {
    const volume = request?.mounts.findLast(({ target }) => isAtOrBelow(path, target))?.target;
    if (found === undefined || (volume === undefined && !isInRoot(path, sandbox))) continue;
    if (call?.call === "execve" && call.object === path && isFileWithoutX(found))
      return `file ${path} is not executable: its mode is 0${(found.mode & 0o7777).toString(8)}`;
    if (!isRefused(found, sandbox, volume !== undefined, `${withoutPaths(finding)} ${call?.call ?? ""}`))
      continue;
    const { uid, gid, mode } = found;
    const kind = found.isFolder ? "folder" : "file";
    const owner = uid === 0 ? "root" : `uid ${uid}`;
    const facts = `belongs to ${owner}, gid ${gid}, mode 0${(mode & 0o7777).toString(8)}; the task runs as uid ${sandbox.uid}`;
    if (call === undefined) return `its last line: ${kind} ${path} ${facts}`;
    const text = `${kind} ${path} ${facts}`;
    if (volume === undefined) return text;
    return isIdmapped(volume, request)
      ? `${text}: only files of the volume's owner are mapped, so chown it`
      : { text, advice: [{ option: "idmapped_volumes", value: [volume] }] };
  }
  return undefined;
}

/** Words and calls that change a file, or what is in a folder. */
const writing =
  /creat|touch|mkdir|makedir|writ|remov|delet|unlink|renam|\bmv\b|\bcp\b|\brm\b|sav|lock|append|truncat|bind|symlink/i;

/** What a message says, without the names of files in it, which may have any words. */
function withoutPaths({ line, paths }: Finding): string {
  return [...paths]
    .sort((one, other) => other.length - one.length)
    .reduce((rest, path) => rest.replaceAll(path, ""), line);
}

/**
 * Whether owner and mode refuse what a message tells of. Elsewhere than in a volume, where a sandbox's rules may refuse
 * it, too, the message has to say what was refused.
 */
function isRefused(
  { uid, gid, mode, isFolder }: NonNullable<PathFacts["found"]>,
  sandbox: Sandbox,
  isVolume: boolean,
  words: string,
): boolean {
  if (sandbox.uid === 0) return false;
  const isMember = gid === sandbox.gid || sandbox.groups.includes(gid);
  const bits = (mode >> (uid === sandbox.uid ? 6 : isMember ? 3 : 0)) & 7;
  const reading = isFolder ? 5 : 4;
  if ((bits & reading) !== reading) return true;
  return (bits & 2) === 0 && (isVolume || writing.test(words));
}

function notExecutable({ paths: [path] }: Finding): string {
  return `${path ?? "a file"} is no program for this machine, or its interpreter is missing`;
}

function portInUse({
  finding: { name },
  evidence: { listener, isListening },
  call,
}: Message): string | undefined {
  const by = listener === undefined ? "" : `, by ${listener}`;
  if (call !== undefined) return `${call.object ?? "its address"} is already in use${by}`;
  if (name === undefined || isListening !== true) return undefined;
  return `its last line names port ${name}, which is in use now${by}`;
}

function connectionRefused({
  finding: { line, name },
  evidence: { isListening },
  call,
}: Message): string | undefined {
  if (call?.object != null) return `it could not connect to ${call.object}: nobody listens there`;
  // curl 8 says so of every address that it could not connect to. Who listens is looked for at loopback ones only.
  if (name === undefined || isListening !== false || !/refused|Could not connect to server/i.test(line))
    return undefined;
  return `its last line names ${where(name)}: nobody listens there now`;
}

/** `5432` is a port without a host. */
function where(name: string): string {
  return /^\d+$/.test(name) ? `port ${name}` : name.replaceAll(/[",]/g, "");
}

/** A write that does not fit leaves this share of a limit free at most; a larger file may have left more. */
const fullDiskShare = 0.9;

/**
 * Undefined if the task's limit on its disk was not full.
 * @param isTold whether the kernel's error was that of a limit
 */
export function limitText({ sandbox }: TaskContext, { disk }: Exit, isTold: boolean): string | undefined {
  const limit = sandbox?.disk;
  if (limit === undefined) return undefined;
  const isFull = disk !== undefined && disk.bytes >= limit.limitBytes * fullDiskShare;
  if (!isFull && !isTold) return undefined;
  return `its disk limit of ${formatBytes(limit.limitBytes)} was full; raise disk_limit`;
}

/** The kernel's error is that of a limit, but the folders that the driver measures have room. */
function toldLimit({ finding: { line }, context: { sandbox } }: Message): string | undefined {
  if (sandbox?.disk === undefined || !/EDQUOT|quota/i.test(line)) return undefined;
  return `its last line tells of a quota, and it has a disk limit of ${formatBytes(sandbox.disk.limitBytes)} (disk_limit)`;
}

/** A file system counts as full with less than this share of it free, or with less than this size. */
const freeShare = 0.001;
const freeBytesOfFull = 2 ** 20;

function diskFull({ context: { request }, evidence: { disk }, call }: Message): string | undefined {
  const isFull =
    disk !== undefined &&
    (disk.freeFiles === 0 || disk.freeBytes < Math.max(freeBytesOfFull, disk.totalBytes * freeShare));
  if (isFull)
    return `no space is left on a file system that it writes to: at ${disk.path}, ${freeText(disk)}`;
  if (call === undefined) return undefined;
  const at = call.object === null ? "" : `, for ${call.object}`;
  const tmpSize = request?.options.tmp_size;
  const ofTmp =
    typeof tmpSize === "number" ? `; its /tmp holds ${formatBytes(tmpSize * 2 ** 20)} (tmp_size)` : "";
  return `no space was left where it wrote (${call.call}, ${call.error}${at})${ofTmp}`;
}

function freeText({ freeBytes, totalBytes, freeFiles }: DiskFacts): string {
  if (freeFiles === 0) return "no file more fits";
  return `${formatBytes(freeBytes)} of ${formatBytes(totalBytes)} are free`;
}

function readOnly({ finding: { paths }, context, call }: Message): string | undefined {
  const { request, sandbox } = context;
  if (call !== undefined)
    return `it wrote to a read-only file system${call.object === null ? "" : `, at ${call.object}`}`;
  const path = paths.find((each) =>
    request?.mounts.some(({ target, readOnly }) => readOnly && isAtOrBelow(each, target)),
  );
  if (path !== undefined) return `its last line names ${path}, which is in a volume that is read-only`;
  const own = paths.find((each) =>
    sandbox?.unveiled.some(
      ({ source, mode, path: target }) =>
        source === "mount" && !mode.includes("w") && isAtOrBelow(each, target),
    ),
  );
  return own && `its last line names ${own}, which is mounted read-only: its mount lacks readonly = false`;
}

function programMemory({ finding: { name }, context, end, call }: Message): string | undefined {
  const { soft } = limitOf(context, "RLIMIT_AS");
  const ofLimit = soft === null ? "" : `; ulimit as = ${soft} bytes`;
  if (call !== undefined) return `the kernel gave it no more memory (${call.call}, ${call.error})${ofLimit}`;
  if (end.signal === SIGABRT && name !== undefined)
    return `SIGABRT right after its last message: it ran out of memory by itself (${name}), not by the task's limit`;
  return soft === null ? undefined : `its last line tells of a lack of memory, and ulimit as = ${soft} bytes`;
}

const SIGABRT = 6;

/** Whether a line about a command that was not found is a shell's. */
function isOfShell(line: string): boolean {
  return /^(?:[\w./-]+: )?(?:line )?\d+: [^:]+: (?:command )?not found$|^[\w./-]*sh: (?:command not found: )?[^:]+(?:: (?:command )?not found)?$/.test(
    line,
  );
}
