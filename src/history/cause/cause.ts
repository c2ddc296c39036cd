/**
 * Names the cause of a failure, from what the driver knows of the task and what the end of its own output
 * says. Names none if the evidence is missing: a wrong cause costs more time than none. Pure.
 */
import { signalMeaning, signalName } from "../../base/signalNames.ts";
import { NOT_FOUND, SIGNALLED } from "../../base/taskEnd.ts";
import { describeDenial } from "../../effects/landlock/denial.ts";
import { isAtOrBelow, withoutSlashes } from "../../effects/paths/paths.ts";
import { FIRST_FREE_PORT, LOW_PORTS } from "../../effects/seccomp/portRestrictions.ts";
import { isProbe, linesFor } from "../../effects/verdicts.ts";
import { type BlackBoxRecord, placeOfCrash, strangerText } from "../../machines/events/blackBox.ts";
import type { Cause, CauseKind } from "../../machines/events/cause.ts";
import type { Refusal } from "../../machines/events/denied.ts";
import type { EventData } from "../../machines/events.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { formatBytes } from "../../units/sizes.ts";
import { visible } from "../../units/visible.ts";
import type { Finding, Output } from "./knownTexts.ts";
import { isOptional } from "./optionalPaths.ts";

/** How a task ended, before its cause is known. */
export type End = Omit<EventData<"exited">, "cause" | "blackBox" | "output">;

/** What the host shows of a path. */
export interface PathFacts {
  readonly path: string;
  /** Undefined if nothing is at the path on the host. */
  readonly found:
    | { readonly uid: number; readonly gid: number; readonly mode: number; readonly isFolder: boolean }
    | undefined;
}

/** What the host shows at the end of a task, as far as a finding asks for it. */
export interface HostEvidence {
  readonly paths: readonly PathFacts[];
  /** The file system with the least free space of those that the task may write to; undefined if unknown. */
  readonly disk: DiskFacts | undefined;
  /** Who listens at the port that the output names, such as `nginx (pid 4711)`; undefined if unknown. */
  readonly listener: string | undefined;
  /** CPU time that the task's processes used, in seconds; undefined if unknown. */
  readonly cpuSeconds: number | undefined;
  /**
   * Of a killed main process whose cgroup counts no kills: whether the kernel's log says that it was killed for lack of
   * memory, and of which; undefined if the log cannot be read.
   */
  readonly oomKill?: "host" | "cgroup" | "none" | undefined;
  /** What the black box had; undefined without one. */
  readonly recorded?:
    | {
        readonly record: BlackBoxRecord;
        /** The last path that the record has as missed. */
        readonly lastMissed: PathFacts | undefined;
      }
    | undefined;
}

export interface DiskFacts {
  readonly path: string;
  readonly freeBytes: number;
  readonly totalBytes: number;
  readonly freeFiles: number;
}

/** Maximum length of a cause's text. */
const maxText = 160;

/**
 * Maximum time between what the kernel recorded, a denial or a path that was not found, and the failure that it
 * may have caused, in milliseconds.
 */
export const consequenceMs = 2_000;

/** Whether the task failed: it ended badly, and nobody had asked it to end. */
export function hasFailed({ exitCode, source }: End, { stop, forceKilled }: TaskContext): boolean {
  return exitCode !== 0 && source !== "unknown" && stop === null && !forceKilled;
}

/**
 * The cause of a failure.
 * @param output the end of the task's own output
 * @param refused the sandbox's last refusal, if it came so shortly before the end that it may be the cause
 */
export function causeOf(
  context: TaskContext,
  end: End,
  { known: finding, lastLine }: Output,
  evidence: HostEvidence,
  refused?: Refusal,
): Cause {
  if (end.oomKilled) return cause(...memoryCause(end));
  if (end.signal > 0 && finding?.kind !== "program_memory") {
    return cause(...signalCause(context, end, evidence));
  }
  // No denial is recorded for a lack of capabilities, so an earlier denial must not take the blame.
  const low = finding && lowPort(finding, context);
  if (low !== undefined) return low;
  const denial = refused && denialCause(refused, context);
  const output = finding && outputCause(finding, context, end, evidence);
  if (denial !== undefined && (output === undefined || isOfSandbox(output.kind))) return denial;
  return (
    output ??
    signalOfShell(end, finding, evidence) ??
    missedCause(context, end, evidence, finding?.line ?? lastLine) ??
    fullDisk(context, end, lastLine) ??
    (end.exitCode === NOT_FOUND
      ? cause("missing_command", "exit code 127: a shell did not find its command")
      : cause("unknown", "its cause is not known", lastLine))
  );
}

type Words = readonly [kind: CauseKind, text: string, line?: string | undefined];

function cause(...[kind, text, line]: Words): Cause {
  return { kind, text: shortText(text), line: line === undefined ? null : visible(line) };
}

/** Makes a text visible, and shortens it in its middle: its end has the advice. */
export function shortText(whole: string): string {
  const text = visible(whole);
  if (text.length <= maxText) return text;
  const rest = maxText - 1;
  return `${text.slice(0, Math.ceil(rest / 2))}…${text.slice(-Math.floor(rest / 2))}`;
}

/** Kinds that a denial explains better than the program's words do. */
function isOfSandbox(kind: CauseKind): boolean {
  return kind === "permission" || kind === "missing_path" || kind === "missing_command";
}

/** A cgroup whose peak stayed below this share of its limit has never been full. */
const fullShare = 0.9;

function memoryCause({ oom }: End): Words {
  const { limitBytes = null, peakBytes = null } = oom ?? {};
  if (limitBytes === null || (peakBytes !== null && peakBytes < limitBytes * fullShare)) {
    const own = limitBytes === null ? "the task itself has no limit" : "the task's own limit was not full";
    return [
      "host_memory",
      `killed by the kernel: the host, or a cgroup above the task's, ran out of memory; ${own}`,
    ];
  }
  return [
    "memory_limit",
    `killed by the kernel: ${formatBytes(limitBytes)} memory limit was full; raise memory or memory_max`,
  ];
}

function signalCause(context: TaskContext, end: End, evidence: HostEvidence): Words {
  const { signal } = end;
  const { cpuSeconds, recorded, oomKill } = evidence;
  const name = signalName(signal);
  const { soft, hard } = limitOf(context, "RLIMIT_CPU");
  if (name === "SIGXCPU")
    return ["cpu_time", `it used all of its CPU time: ulimit cpu = ${soft ?? "unknown"} s`];
  if (name === "SIGXFSZ") {
    const { soft: size } = limitOf(context, "RLIMIT_FSIZE");
    return ["file_size", `a file got larger than its limit: ulimit fsize = ${size ?? "unknown"} bytes`];
  }
  if (name === "SIGKILL" && hard !== null && cpuSeconds !== undefined && cpuSeconds >= hard) {
    return ["cpu_time", `it used all of its CPU time, ${hard} s (ulimit cpu), and was killed by the kernel`];
  }
  if (oomKill === "host")
    return ["host_memory", "killed by the kernel: the host ran out of memory, as the kernel's log says"];
  if (oomKill === "cgroup") {
    return [
      "host_memory",
      "killed by the kernel: a memory limit was full that the driver did not set, as the kernel's log says",
    ];
  }
  const fault = signalMeaning(signal);
  const main = context.process?.task.pid;
  const { crash } = recorded?.record ?? {};
  if (fault !== undefined)
    return ["signal", `${name}: ${fault}${crash?.pid === main ? crashText(crash, signal) : ""}`];
  const sent = recorded?.record.signals.findLast((each) => each.signal === signal && each.target === main);
  if (sent !== undefined)
    return ["signal", `${signal === SIGKILL ? "killed" : `ended by ${name}, sent`} by ${senderText(sent)}`];
  // No cgroup counts the kernel's kills, and its log cannot be read.
  if (name === "SIGKILL" && oomKill === undefined && end.oom === null)
    return ["signal", `${name}, sent by the kernel for lack of memory, or by a process, not by the driver`];
  return ["signal", `${name}, sent by the task itself or by somebody else on the host, not by the driver`];
}

const SIGKILL = 9;

function limitOf({ sandbox }: TaskContext, resource: string) {
  const found = sandbox?.resourceLimits.find((each) => each.resource === resource);
  return { soft: found?.soft ?? null, hard: found?.hard ?? null };
}

function denialCause(refused: Refusal, context: TaskContext): Cause {
  const what = `it was denied ${describeDenial(refused)}`;
  const lines = linesFor(refused, context);
  return cause("denied", lines === undefined ? what : `${what}; ${lines} allows it`);
}

/** The cause that the task's own output names; undefined if the host does not confirm it. */
function outputCause(
  finding: Finding,
  context: TaskContext,
  end: End,
  evidence: HostEvidence,
): Cause | undefined {
  const { exitCode } = end;
  const { kind, line, name } = finding;
  const say = (text: string) => cause(kind, text, line);
  switch (kind) {
    case "missing_path":
      return missingPath(finding, context, evidence);
    case "permission":
      return permission(finding, context, evidence);
    case "missing_library":
      return say(
        name ? `the shared library ${name} is missing, or not unveiled` : "a shared library is missing",
      );
    case "missing_module":
      return say(
        name ? `the program found no module ${name}` : "the program did not find one of its modules",
      );
    case "missing_variable":
      if (name === undefined) return say("a variable is missing in its environment");
      return say(
        context.request?.envKeys.includes(name)
          ? `it misses the variable ${name}, which its environment has, perhaps without a value`
          : `the variable ${name} is missing in its environment`,
      );
    case "missing_command":
      // Other programs say "not found" of other things.
      if (exitCode !== NOT_FOUND || name === undefined) return undefined;
      return say(`its shell did not find the command ${name}`);
    case "not_executable": {
      const [path] = finding.paths;
      return say(`${path ?? "a file"} is no program for this machine, or its interpreter is missing`);
    }
    case "port_in_use": {
      const at = name === undefined ? "an address that it listens on" : `port ${name}`;
      return say(
        `${at} is already in use${evidence.listener === undefined ? "" : `, by ${evidence.listener}`}`,
      );
    }
    case "connection_refused": {
      const to = name === undefined ? "" : ` to ${where(name)}`;
      return say(`it could not connect${to}${/refused/i.test(line) ? ": nobody listens there" : ""}`);
    }
    case "name_lookup":
      return say(`${name === undefined ? "a host name" : `the host name ${name}`} could not be resolved`);
    case "disk_full":
      return say(limitText(context, end, /EDQUOT|quota/i.test(line)) ?? diskText(evidence.disk, context));
    case "read_only":
      return say(
        `it wrote to a read-only file system${finding.paths[0] === undefined ? "" : `, at ${finding.paths[0]}`}`,
      );
    case "open_files":
      return say(
        `it has too many open files: ulimit nofile = ${limitOf(context, "RLIMIT_NOFILE").soft ?? "unknown"}`,
      );
    case "processes":
      return say("it could start no more processes or threads: see pids_limit and ulimit nproc");
    case "program_memory":
      return say(
        `it ran out of memory by itself${name === undefined ? "" : ` (${name})`}, not by the task's limit`,
      );
    default:
      return undefined;
  }
}

/** `5432` is a port without a host. */
function where(name: string): string {
  return /^\d+$/.test(name) ? `port ${name}` : name.replaceAll(/[",]/g, "");
}

function missingPath(finding: Finding, context: TaskContext, evidence: HostEvidence): Cause | undefined {
  const { sandbox } = context;
  if (sandbox === null) return undefined;
  if (rootDirOf(context) !== undefined) {
    const gone = evidence.paths.find(({ found }) => found === undefined);
    if (gone === undefined) return undefined;
    return cause("missing_path", `nothing at ${gone.path} in its root_dir: install it there`, finding.line);
  }
  for (const { path, found } of evidence.paths) {
    const say = (text: string) => cause("missing_path", text, finding.line);
    if (found === undefined) {
      return say(
        `nothing at ${path}${sandbox.root === "private" ? ", neither in its root nor on the host" : ""}`,
      );
    }
    if (isInRoot(path, sandbox)) continue;
    const lines = linesToUnveil({ path, found }, context);
    return say(`nothing at ${path} in its root; the host has it${lines === undefined ? "" : `: ${lines}`}`);
  }
  return undefined;
}

/** The folder that a task's root is made of, as its job names it. */
export function rootDirOf({ request }: Pick<TaskContext, "request">): string | undefined {
  const name = request?.options.root_dir;
  return typeof name === "string" ? name : undefined;
}

/** The lines for the job file that unveil what the host has at a path. */
function linesToUnveil({ path, found }: PathFacts, context: TaskContext): string | undefined {
  if (found === undefined) return undefined;
  const blockers = found.isFolder
    ? ["fs.read_dir"]
    : [(found.mode & 0o111) === 0 || (found.mode & S_IFMT) === S_IFLNK ? "fs.read_file" : "fs.execute"];
  return linesFor({ blockers, object: path }, context);
}

/** The kind of a file, and that of a symlink, whose permissions mean nothing. */
const S_IFMT = 0o170000;
const S_IFLNK = 0o120000;

/** Whether the task misses a path that the host has: it is not in its root, and not one to do without. */
export function isMissed(path: string, context: TaskContext): boolean {
  const { sandbox } = context;
  if (sandbox === null || isInRoot(path, sandbox) || isOfVolume(path, context)) return false;
  // What the host has says nothing of a root that is made of a folder.
  if (rootDirOf(context) !== undefined) return false;
  return !isOptional(path) && !isProbe({ blockers: ["fs.read_file"], object: path }, context);
}

type Sandbox = NonNullable<TaskContext["sandbox"]>;

/** Whether the task sees what the host has at the path. */
function isInRoot(path: string, { root, privateTmp, unveiled }: Sandbox): boolean {
  if (root === "host") return true;
  // Every root has /proc. The root of a task with a private /tmp has /tmp, too.
  const there = ["/proc", ...(privateTmp ? ["/tmp"] : []), ...unveiled.map((each) => each.path)];
  // Folders on the way to unveiled paths are in the root, too.
  return there.some((each) => isAtOrBelow(path, each) || isAtOrBelow(each, path));
}

/** The cause of a refused low port, for which no option but a capability is missing. */
function lowPort({ kind, line, name }: Finding, { request, sandbox }: TaskContext): Cause | undefined {
  const port = Number(name);
  if (kind !== "permission" || sandbox === null || !(port > 0 && port < FIRST_FREE_PORT)) return undefined;
  if (sandbox.uid === 0 || sandbox.capabilities?.includes(LOW_PORTS)) return undefined;
  const ports = request?.options.bind_tcp;
  // Then the list of ports refuses it first, and that denial is recorded.
  if (Array.isArray(ports) && !ports.includes(port)) return undefined;
  const text = `port ${port} is below ${FIRST_FREE_PORT}: it takes cap_add = ["${LOW_PORTS}"]`;
  return cause("permission", text, line);
}

function permission(finding: Finding, context: TaskContext, evidence: HostEvidence): Cause | undefined {
  const { request, sandbox } = context;
  if (sandbox === null) return undefined;
  for (const { path, found } of evidence.paths) {
    const volume = request?.mounts.findLast(({ target }) => isAtOrBelow(path, target))?.target;
    if (found === undefined || (volume === undefined && !isInRoot(path, sandbox))) continue;
    if (mayUse(found, sandbox)) continue;
    const { uid, gid, mode } = found;
    const kind = found.isFolder ? "folder" : "file";
    const owner = uid === 0 ? "root" : `uid ${uid}`;
    return cause(
      "permission",
      `${kind} ${path} belongs to ${owner}, gid ${gid}, mode 0${(mode & 0o7777).toString(8)}; the task runs as uid ${sandbox.uid}${remedy(volume, request)}`,
      finding.line,
    );
  }
  return undefined;
}

/** What lets a task use a file in a volume that belongs to another user. */
function remedy(volume: string | undefined, request: TaskContext["request"]): string {
  if (volume === undefined) return "";
  if (isIdmapped(volume, request)) return ": only files of the volume's owner are mapped, so chown it";
  return `: idmapped_volumes = [${JSON.stringify(volume)}], or chown it`;
}

/** @param target of a volume, as the request has it */
export function isIdmapped(target: string, request: TaskContext["request"]): boolean {
  const listed = request?.options.idmapped_volumes;
  return (
    Array.isArray(listed) && listed.some((path) => withoutSlashes(String(path)) === withoutSlashes(target))
  );
}

/** Whether a path is in one of the task's volumes. */
function isOfVolume(path: string, { request }: TaskContext): boolean {
  return request?.mounts.some(({ target }) => isAtOrBelow(path, target)) ?? false;
}

/** Whether the mode lets the task do everything with the file that files of its kind are for. */
function mayUse({ uid, gid, mode, isFolder }: NonNullable<PathFacts["found"]>, sandbox: Sandbox): boolean {
  if (sandbox.uid === 0) return true;
  const isMember = gid === sandbox.gid || sandbox.groups.includes(gid);
  const bits = (mode >> (uid === sandbox.uid ? 6 : isMember ? 3 : 0)) & 7;
  const wanted = isFolder ? 7 : mode & 0o111 ? 7 : 6;
  return (bits & wanted) === wanted;
}

/** A write that does not fit leaves this share of a limit free at most; a larger file may have left more. */
const fullDiskShare = 0.9;

/**
 * Undefined if the task's limit on its disk was not full.
 * @param isTold whether the kernel's error was that of a limit
 */
function limitText({ sandbox }: TaskContext, { disk }: End, isTold: boolean): string | undefined {
  const limit = sandbox?.disk;
  if (limit === undefined) return undefined;
  const isFull = disk !== undefined && disk.bytes >= limit.limitBytes * fullDiskShare;
  if (!isFull && !isTold) return undefined;
  return `its disk limit of ${formatBytes(limit.limitBytes)} was full; raise disk_limit`;
}

function diskText(disk: DiskFacts | undefined, { request }: TaskContext): string {
  const tmpSize = request?.options.tmp_size;
  if (typeof tmpSize === "number")
    return `no space is left on the file system that it wrote to; its /tmp holds ${formatBytes(tmpSize * 2 ** 20)} (tmp_size)`;
  if (disk === undefined) return "no space is left on the file system that it wrote to";
  const { path, freeBytes, totalBytes, freeFiles } = disk;
  const free =
    freeFiles === 0
      ? "no file more fits"
      : `${formatBytes(freeBytes)} of ${formatBytes(totalBytes)} are free`;
  return `no space is left on the file system that it wrote to; at ${path}, ${free}`;
}

/** The cause of a failure that says nothing of itself, but whose disk was full. */
function fullDisk(context: TaskContext, end: End, line: string | undefined): Cause | undefined {
  const text = limitText(context, end, false);
  return text === undefined ? undefined : cause("disk_full", text, line);
}

/** What a shell's exit code says of the signal that ended its command. */
function signalOfShell(
  { exitCode }: End,
  finding: Finding | undefined,
  { recorded }: HostEvidence,
): Cause | undefined {
  const signal = exitCode - SIGNALLED;
  if (signal < 1 || signal > 64) return undefined;
  const name = signalName(signal);
  const fault = signalMeaning(signal);
  const text = `exit code ${exitCode} of a shell, whose command died of ${name}`;
  if (fault !== undefined) {
    return cause("signal", `${text}: ${fault}${crashText(recorded?.record.crash, signal)}`, finding?.line);
  }
  const sent = recorded?.record.signals.findLast((each) => each.signal === signal);
  return cause("signal", sent === undefined ? text : `${text}, sent by ${senderText(sent)}`, finding?.line);
}

/** The last path that a silent program missed, if it looked for it shortly before its end. */
function missedCause(
  context: TaskContext,
  { endedAt }: End,
  { recorded }: HostEvidence,
  line: string | undefined,
): Cause | undefined {
  const facts = recorded?.lastMissed;
  const at = recorded?.record.missed.at(-1)?.at;
  if (facts === undefined || at === undefined || endedAt - at > consequenceMs) return undefined;
  const lines = linesToUnveil(facts, context);
  const text = `it last missed ${facts.path}, which the host has, but not its root`;
  return cause("missing_path", lines === undefined ? text : `${text}: ${lines}`, line);
}

/** Such as `, in /usr/lib/libc.so.6 at 0x165859`. Empty if the crash is unknown, or is another one. */
function crashText(crash: BlackBoxRecord["crash"] | undefined, signal: number): string {
  if (crash == null || crash.signal !== signal) return "";
  return `, ${placeOfCrash(crash)}`;
}

type SentSignal = BlackBoxRecord["signals"][number];

/** Such as `pid 4711 (systemd), user root`. */
function senderText({ sender }: SentSignal): string {
  if (sender === null) return "the kernel itself, not by a process";
  return sender.isOwn ? `pid ${sender.pid} (${sender.program}), a process of the task` : strangerText(sender);
}
