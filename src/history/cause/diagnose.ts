/**
 * Finds the cause of a failed run, right after its end: reads the end of the run's own output, and looks at
 * the host where the output points. Later, the folder is gone, the disk has room again, and the port is free.
 */

import { closeSync, constants, fstatSync, readlinkSync, statfsSync } from "node:fs";
import { readdir, readFile, readlink } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Secrets } from "../../base/masking.ts";
import type { Note } from "../../effects/blackBox/notes.ts";
import { parseCpuStat } from "../../effects/cgroup/cgroupFigures.ts";
import { oomKills } from "../../effects/host/oomKills.ts";
import {
  AT_FDCWD,
  O_PATH,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
} from "../../effects/kernel/constants.ts";
import { asFileUser } from "../../effects/kernel/fileUser.ts";
import { readKernelFile } from "../../effects/kernel/kernelFiles.ts";
import { tryOpenat2 } from "../../effects/kernel/libc.ts";
import { foldersIn } from "../../effects/layout/layout.ts";
import { destinationOf } from "../../effects/logs/destination.ts";
import { LogFiles, type LogPlace, type LogPosition, logPlaces } from "../../effects/logs/logFiles.ts";
import { remoteMountOnTheWay } from "../../effects/paths/hostMounts.ts";
import { isAtOrBelow, isInProc } from "../../effects/paths/paths.ts";
import { ticksPerSecond } from "../../effects/processes/processStat.ts";
import { RootFolder } from "../../effects/root/rootFolder.ts";
import { isTaskFolder } from "../../effects/unveil/unveil.ts";
import { entryOfUid } from "../../effects/users/passwd.ts";
import type { BlackBoxRecord } from "../../machines/events/blackBox.ts";
import type { Cause } from "../../machines/events/cause.ts";
import type { Exit } from "../../machines/events/ending.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { lookedFor, recordOf } from "./blackBox.ts";
import { causeOf, hasFailed } from "./cause.ts";
import { callFor } from "./decisive.ts";
import type { DiskFacts, HostEvidence, PathFacts, Recorded, RefusalBeforeEnd } from "./evidence.ts";
import { type Finding, type Output, readEnd } from "./knownTexts.ts";
import { laterEnd, type Written } from "./lastStanza.ts";
import { isIdmapped, isLink, isMissed, mayMiss, rootDirOf } from "./roots.ts";

/**
 * Nomad's log collector writes what it has read after at most 100 ms (`flushDur` of its file rotator), and
 * nobody learns when it has.
 */
export const collectorMs = 150;

/** How much longer to wait for the output of a run that seems to have none, in milliseconds. */
const silentMs = 350;

/** Maximum length of the output that is searched. */
const maxBytes = 64 * 1024;

/** What is known of an end: the parts of the event `exited` that are found out after it. */
export interface Diagnosis {
  /** Null if the run did not fail. */
  readonly cause: Cause | null;
  /** Missing if the run did not fail, and without notes. */
  readonly blackBox?: BlackBoxRecord;
}

/** Reads the notes of the black box; undefined without one. */
export type ReadNotes = () => readonly Note[] | undefined;

/**
 * The cause of a run's end. Never rejects: a cause that cannot be found must not keep the end from being
 * recorded.
 * @param secrets the task's; if they are incomplete, nothing that comes from the task itself is looked at
 * @param refused the sandbox's last refusal, if it may be the cause
 * @param readNotes is called only after a failure: it takes as long as a hundred system calls
 */
export async function diagnose(
  context: TaskContext,
  end: Exit,
  secrets: Secrets,
  refused: RefusalBeforeEnd | undefined,
  readNotes: ReadNotes = () => undefined,
): Promise<Diagnosis> {
  if (!hasFailed(end, context)) return { cause: null };
  try {
    const { isComplete } = secrets;
    const notes = isComplete ? readNotes() : undefined;
    const recorded = notes && recordedIn(notes, context);
    const output = isComplete ? await outputOf(context, end, recorded !== undefined) : {};
    const evidence = { ...(await evidenceFor(output.known, context, end, recorded)), recorded };
    const known = isComplete || refused === undefined ? refused : withoutNames(refused);
    const cause = causeOf(context, end, output, evidence, known, (text) => secrets.mask(text));
    return { cause, ...(recorded && { blackBox: recorded.record }) };
  } catch {
    return { cause: null };
  }
}

function withoutNames({ refusal, beforeMs }: RefusalBeforeEnd): RefusalBeforeEnd {
  return { refusal: { ...refusal, object: null, program: null }, beforeMs };
}

function recordedIn(notes: readonly Note[], context: TaskContext): Recorded | undefined {
  const missed = lookedFor(notes).flatMap((each) => {
    if (!mayMiss(each.path, context)) return [];
    const facts = pathFacts(each.path, context);
    return facts?.found !== undefined && isMissed(facts, context) ? [{ ...each, facts }] : [];
  });
  const [nowNs, nowMs] = [process.hrtime.bigint(), Date.now()];
  const passwd = readKernelFile("/etc/passwd") ?? "";
  const record = recordOf(notes, missed, {
    timeOf: ({ timeNs }) => Math.round(nowMs * 1e3 - Number(nowNs - timeNs) / 1e3) / 1e3,
    userOf: (uid) => entryOfUid(passwd, uid)?.name ?? `uid ${uid}`,
    driver: process.pid,
    main: context.process?.task.pid,
  });
  return { record, missed: missed.map(({ facts }) => facts) };
}

/** @param isRecorded whether a run that says nothing may have a cause in the record */
async function outputOf(
  context: TaskContext,
  { oomKilled, signal, endedAt }: Exit,
  isRecorded: boolean,
): Promise<Output> {
  const start = context.sandbox?.output ?? null;
  if (oomKilled || signal === KILLED || start === null) return {};
  // The driver's own logger has written everything by now.
  const isWritten = destinationOf(context.request).to === "files";
  if (!isWritten) await delay(Math.max(0, collectorMs - (Date.now() - endedAt)));
  const places = logPlaces(context.request);
  const read = () => {
    const [stderr, stdout] = (["stderr", "stdout"] as const).map((stream) =>
      ownLines(places[stream], start[stream]),
    );
    return laterEnd(stderr, stdout, readEnd);
  };
  const output = read();
  if (output !== undefined || !isRecorded || isWritten) return output ?? {};
  // On a busy host the collector is late. A program that only seems to say nothing must not get a cause for it.
  await delay(silentMs);
  return read() ?? {};
}

const KILLED = 9;

/** The end of a stream of the run, and when it was last written to. */
function ownLines(place: LogPlace, from: LogPosition): Written {
  const files = new LogFiles(place);
  try {
    // The driver's own lines repeat what its events say.
    const lines = files.last(from, maxBytes).split("\n");
    const written = lines.filter((line) => line.trim() !== "");
    const own = written.filter((line) => !isOfDriver(line));
    return { lines: own, at: isOfDriver(written.at(-1) ?? "") ? undefined : files.writtenAt() };
  } finally {
    files.close();
  }
}

function isOfDriver(line: string): boolean {
  return /^(nomad-driver-exec2: |\[exec2: )/.test(line);
}

async function evidenceFor(
  finding: Finding | undefined,
  context: TaskContext,
  { signal, endedAt, oom }: Exit,
  recorded: Recorded | undefined,
): Promise<HostEvidence> {
  const { request } = context;
  const kind = finding?.kind;
  const asksForPaths = kind === "missing_path" || kind === "permission";
  const { object } = (finding && callFor(finding, recorded?.record, endedAt)) ?? {};
  // The message may name a path from the program's working folder on; the record has the whole one.
  const ofCall = object?.startsWith("/") && finding?.paths.length === 0 ? [object] : [];
  const paths = [...(finding?.paths ?? []), ...ofCall];
  const port = portOf(finding, object);
  const inodes =
    port === undefined || request?.network.mode !== "host" ? undefined : await listeningInodes(port);
  return {
    paths: asksForPaths ? paths.flatMap((path) => factsFor(kind, path, context)) : [],
    disk: kind === "disk_full" ? fullestDisk(context) : undefined,
    listener: kind === "port_in_use" && inodes ? await listenerOf(inodes) : undefined,
    isListening: inodes && inodes.size > 0,
    refusedProcesses:
      kind === "processes" && request !== null ? refusedProcesses(request.resources.cgroup) : undefined,
    cpuSeconds: signal === KILLED && request !== null ? cpuSecondsOf(request.resources.cgroup) : undefined,
    oomKill: signal === KILLED && oom === null ? await oomKillOf(context, endedAt) : undefined,
  };
}

/** Whether the kernel's log has the main process's kill. */
async function oomKillOf({ process: own }: TaskContext, endedAt: number): Promise<HostEvidence["oomKill"]> {
  const kills = await oomKills(endedAt);
  if (own === null || kills === undefined) return undefined;
  const { pid, startTicks } = own.task;
  // A kill before the start was of an earlier process with this pid. The two clocks differ a little.
  const isOwn = (kill: (typeof kills)[number]) =>
    kill.pid === pid && kill.at > startTicks / ticksPerSecond - 1;
  return kills.findLast(isOwn)?.of ?? "none";
}

/** What is at a path; of a refused one where nothing is, also what is to hold it. */
function factsFor(kind: Finding["kind"], path: string, context: TaskContext): PathFacts[] {
  const facts = factsAt(path, context);
  const isNew = kind === "permission" && facts.some(({ found }) => found === undefined);
  return isNew ? [...facts, ...factsAt(dirname(path), context)] : facts;
}

/** What is at a path of the task: in a volume, or at the same path of the host. */
function factsAt(path: string, context: TaskContext): PathFacts[] {
  const volume = volumeAt(path, context.request);
  if (volume !== undefined) return volumeFacts(path, volume, context);
  const facts = rootDirFacts(path, context) ?? pathFacts(path, context);
  return facts === undefined ? [] : [facts];
}

/** What is at a path of a root that is made of a folder; undefined for other roots, and for the task's own folders. */
function rootDirFacts(path: string, context: TaskContext): PathFacts | undefined {
  const name = rootDirOf(context);
  const { request, sandbox } = context;
  if (name === undefined || request === null || sandbox === null) return undefined;
  const own = sandbox.unveiled.filter(isTaskFolder);
  if (isInProc(path) || own.some((each) => isAtOrBelow(path, each.path))) return undefined;
  using folder = new RootFolder(name, foldersIn(request.allocDir, request.taskName), []);
  const status = folder.stat(path);
  if (status === undefined) return { path, found: undefined };
  const { uid, gid, mode } = status;
  return { path, found: { uid, gid, mode, isFolder: status.isDirectory() } };
}

/**
 * What is at a path of the host, as the task's user may see it: a task chooses what its output names, and must not
 * learn by it what root alone can see. So the kernel looks the path up as this user.
 */
function pathFacts(path: string, context: TaskContext): PathFacts | undefined {
  // What is remote may hang: links are followed there, too.
  if (path.split("/").includes("..") || remoteMountOnTheWay(path) !== undefined) return undefined;
  const facts = factsFrom(AT_FDCWD, path, context);
  const isBehindLinks = facts === "links";
  if (!isBehindLinks && !(facts?.found && isLink(facts.found))) return facts;
  const target = targetOf(path, context);
  if (isBehindLinks) return target && { path, found: target.found, target };
  return { ...facts, target };
}

/** Where a path's symlinks lead to; undefined for what each process has of its own. */
function targetOf(path: string, context: TaskContext): PathFacts | undefined {
  const how = { flags: O_PATH, resolve: RESOLVE_NO_MAGICLINKS };
  const opened = asTaskUser(context, () => tryOpenat2(AT_FDCWD, path, how));
  if (typeof opened !== "number") return undefined;
  try {
    const end = readlinkSync(`/proc/self/fd/${opened}`);
    return isInProc(end) ? undefined : { path: end, found: statusOf(opened) };
  } finally {
    closeSync(opened);
  }
}

/**
 * @param folder a descriptor that a relative path begins at, or `AT_FDCWD`
 * @returns undefined if the task's user cannot know; `links` if a symlink is on the way
 */
function factsFrom(folder: number, path: string, context: TaskContext): PathFacts | "links" | undefined {
  const found = asTaskUser(context, () =>
    tryOpenat2(folder, path, { flags: O_PATH | constants.O_NOFOLLOW, resolve: RESOLVE_NO_SYMLINKS }),
  );
  if (found === undefined) return undefined;
  if (typeof found !== "number") {
    if (found.errno === "ELOOP") return "links";
    return found.errno === "ENOENT" ? { path, found: undefined } : undefined;
  }
  try {
    return { path, found: statusOf(found) };
  } finally {
    closeSync(found);
  }
}

function asTaskUser<Result>({ sandbox }: TaskContext, act: () => Result): Result | undefined {
  if (sandbox === null) return undefined;
  const { uid, gid, groups } = sandbox;
  return asFileUser({ uid, gid, groups, capabilities: undefined }, act);
}

function statusOf(descriptor: number): NonNullable<PathFacts["found"]> {
  const status = fstatSync(descriptor);
  return { uid: status.uid, gid: status.gid, mode: status.mode, isFolder: status.isDirectory() };
}

type Mounts = NonNullable<TaskContext["request"]>["mounts"];

/** The innermost volume around a path of the task. */
function volumeAt(path: string, request: TaskContext["request"]): Mounts[number] | undefined {
  return request?.mounts
    .filter(({ target }) => isAtOrBelow(path, target))
    .sort((one, other) => other.target.length - one.target.length)[0];
}

/**
 * What is at a path in a volume; if nothing is there, the folder that is to hold it. The task sees the volume's
 * folder, whatever is around it on the host; what is in the folder is looked up as its user.
 */
function volumeFacts(path: string, { source, target }: Mounts[number], context: TaskContext): PathFacts[] {
  if (path.split("/").includes("..") || remoteMountOnTheWay(source) !== undefined) return [];
  const volume = tryOpenat2(AT_FDCWD, source, { flags: O_PATH, resolve: RESOLVE_NO_MAGICLINKS });
  if (typeof volume !== "number") return [];
  try {
    const places = [path, path.slice(0, path.lastIndexOf("/"))].filter((each) => isAtOrBelow(each, target));
    for (const place of places) {
      const rest = place.slice(target.length + 1);
      const facts = rest === "" ? { found: statusOf(volume) } : factsFrom(volume, rest, context);
      const found = facts === "links" ? undefined : facts?.found;
      if (found !== undefined)
        return [{ path: place, found: asInTask(found, statusOf(volume), target, context) }];
    }
    return [];
  } finally {
    closeSync(volume);
  }
}

/** In an idmapped volume, files of the owner of its folder belong to the task's user. */
function asInTask<Status extends { readonly uid: number; readonly gid: number }>(
  found: Status,
  owner: Status,
  target: string,
  { request, sandbox }: TaskContext,
): Status {
  if (sandbox === null || !isIdmapped(target, request)) return found;
  const { uid, gid } = sandbox;
  return {
    ...found,
    uid: found.uid === owner.uid ? uid : nobody,
    gid: found.gid === owner.gid ? gid : nobody,
  };
}

/** The kernel's overflow uid and gid: user_namespaces(7). */
const nobody = 65_534;

/** The file system with the smallest share of free space of those that the task may write to. */
function fullestDisk({ request, sandbox }: TaskContext): DiskFacts | undefined {
  const volumes = request?.mounts.flatMap(({ source, readOnly }) => (readOnly ? [] : source)) ?? [];
  const paths = [request?.allocDir ?? "/", ...volumes, ...(sandbox?.privateTmp ? [] : ["/tmp"])];
  const disks = paths.filter((path) => remoteMountOnTheWay(path) === undefined).flatMap(diskAt);
  return disks.sort((a, b) => share(a) - share(b))[0];
}

function diskAt(path: string): DiskFacts[] {
  try {
    const { bavail, blocks, bsize, ffree } = statfsSync(path);
    return [{ path, freeBytes: bavail * bsize, totalBytes: blocks * bsize, freeFiles: ffree }];
  } catch {
    return [];
  }
}

function share({ freeBytes, totalBytes, freeFiles }: DiskFacts): number {
  return freeFiles === 0 ? 0 : freeBytes / Math.max(1, totalBytes);
}

/**
 * The port that a message is about, if it is one of this host: that of a connection only with a loopback address.
 * @param object of the recorded call
 */
function portOf(finding: Finding | undefined, object: string | null | undefined): number | undefined {
  const name = object ?? finding?.name;
  if (finding === undefined || name === undefined) return undefined;
  if (finding.kind === "connection_refused" && !/^"?(?:127\.|\[?::1|localhost)/.test(name)) return undefined;
  if (finding.kind !== "connection_refused" && finding.kind !== "port_in_use") return undefined;
  const port = Number(/(\d{1,5})\D*$/.exec(name)?.[1]);
  return port > 0 && port < 65_536 ? port : undefined;
}

/** How often the limit of a cgroup on processes, or of one above it, has refused another: cgroup v2, `pids.events`. */
function refusedProcesses(cgroup: string): number | undefined {
  const found = /^max (\d+)$/m.exec(readKernelFile(`${cgroup}/pids.events`) ?? "")?.[1];
  return found === undefined ? undefined : Number(found);
}

/** Maximum time to look for a listener: a host may have thousands of processes. */
const searchMs = 500;

/**
 * The program that listens at a port of the host, such as `nginx`: proc_pid_net(5), proc_pid_fd(5). Its
 * arguments and user are left out, because they may be another tenant's.
 */
async function listenerOf(inodes: ReadonlySet<string>): Promise<string | undefined> {
  if (inodes.size === 0) return undefined;
  const until = performance.now() + searchMs;
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    if (performance.now() > until) return undefined;
    const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
    const links = await Promise.all(
      descriptors.map((each) => readlink(`/proc/${pid}/fd/${each}`).catch(() => "")),
    );
    if (links.some((link) => inodes.has(link))) return readKernelFile(`/proc/${pid}/comm`)?.trim();
  }
  return undefined;
}

/** State of a listening TCP socket in /proc/net/tcp. */
const LISTEN = "0A";

async function listeningInodes(port: number): Promise<ReadonlySet<string>> {
  const tables = await Promise.all(
    ["tcp", "tcp6"].map((name) => readFile(`/proc/net/${name}`, "latin1").catch(() => "")),
  );
  const inodes = tables
    .join("")
    .split("\n")
    .flatMap((line) => {
      const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
      const isIt = state === LISTEN && Number.parseInt(local.split(":")[1] ?? "", 16) === port;
      return isIt ? [`socket:[${inode}]`] : [];
    });
  return new Set(inodes);
}

function cpuSecondsOf(cgroup: string): number | undefined {
  const used = parseCpuStat(readKernelFile(`${cgroup}/cpu.stat`) ?? "");
  return used && (used.userUs + used.systemUs) / 1e6;
}
