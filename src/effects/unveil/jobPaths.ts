/**
 * What a job may unveil. A path that only the job names is opened as the task's user would open it, so that a
 * job learns nothing about folders that are closed to its user, and gets nothing in them. The opened file then
 * counts, not the path's name: where it is in which file system, and what is mounted below it.
 *
 * No job reaches the folders of the agent and of this driver, which hold the other allocations. cgroup file
 * systems and others that show or control the host, and device nodes, are only for jobs whose operator lists them.
 */
import { closeSync, constants, existsSync, fstatSync, readlinkSync, realpathSync } from "node:fs";
import { basename, dirname } from "node:path";
import { DriverError } from "../../base/errors.ts";
import { AT_FDCWD, O_PATH, RESOLVE_NO_MAGICLINKS } from "../kernel/constants.ts";
import { asFileUser, type FileUser } from "../kernel/fileUser.ts";
import { tryOpenat2 } from "../kernel/libc.ts";
import { foldersIn, type TaskFolders } from "../layout/layout.ts";
import type { PluginValues } from "../options/fields.ts";

import { hostMounts, mountIdOf } from "../paths/hostMounts.ts";
import { identityOf, realPathOf } from "../paths/hostPaths.ts";
import { isIn, type MountTable, type Place, placeOf, placeOfRoot } from "../paths/mountTable.ts";
import { Overlays } from "../paths/overlays.ts";
import { isAtOrBelow, isInProc } from "../paths/paths.ts";
import { defaultEntries, ownRootPaths } from "./defaultPaths.ts";
import type { unveilOptions } from "./options.ts";
import { isNothing, type PathRight, rightsAt, without } from "./pathRights.ts";
import { formatUnveil, parseUnveil } from "./unveil.ts";
import { type Found, findPath, foundAt, missingPath, type Opened, openRule } from "./unveiledPaths.ts";
import { TMP, type UnveilRule } from "./unveilRules.ts";

export interface JobPathsInput {
  readonly options: Pick<
    PluginValues<typeof unveilOptions>,
    "unveilAllowed" | "unveilPaths" | "unveilDefaults"
  >;
  readonly user: FileUser;
  readonly folders: TaskFolders;
  /** The allocation's private folder, `<data>/alloc/<alloc>`. */
  readonly allocDir: string;
  /** Name of the task's folder in {@link allocDir}. */
  readonly taskName: string;
  /** Whether the task has the host's /proc. */
  readonly hostPid: boolean;
  /** State folders of this driver. */
  readonly stateFolders: readonly string[];
}

/** What is at the paths that a job unveils, opened. */
export interface JobFiles extends Disposable {
  readonly files: ReadonlyMap<UnveilRule, Found>;
}

export class JobPaths {
  readonly #input: JobPathsInput;
  #host: Host | undefined;

  constructor(input: JobPathsInput) {
    this.#input = input;
  }

  /**
   * Opens the paths of all rules with a `jobMode`. To be called before anything is made for the task.
   * @throws DriverError `UNVEIL_NOT_ALLOWED` for a path that this job may not unveil
   * @throws DriverError `UNVEIL_PATH_MISSING`, recoverable, for a path that its user does not find
   * @throws DriverError as `findPath` does
   */
  open(rules: readonly UnveilRule[]): JobFiles {
    const { uid } = this.#input.user;
    const asked = rules.filter(({ jobMode }) => jobMode !== undefined);
    const usersOwn = asked.filter((rule) => isOnlyFromJob(rule) && !isInProc(rule.path));
    // One change of user for all paths.
    const opened = usersOwn.length === 0 ? [] : this.#asUser(() => usersOwn.map(openRule));
    const files = new Map<UnveilRule, Found>();
    using undo = new DisposableStack();
    undo.defer(() => closeAll(files));
    undo.defer(() => {
      // What an error has left unread.
      for (const descriptor of opened) if (typeof descriptor === "number") closeSync(descriptor);
    });
    for (const rule of usersOwn) files.set(rule, this.#foundAsUser(opened.shift() as Opened, rule));
    for (const rule of asked) {
      const found = files.get(rule) ?? findPath(rule);
      files.set(rule, found);
      if (found.at === "nowhere" && rule.optional) continue;
      this.#check(rule, found);
      if (found.at === "nowhere") throw missingPath(rule, found.errno, usersOwn.includes(rule) && uid !== 0);
    }
    undo.move();
    return { files, [Symbol.dispose]: () => closeAll(files) };
  }

  /** The errno is always the same: it must not tell whether a path exists in a folder that is closed to the user. */
  #foundAsUser(opened: Opened, rule: UnveilRule): Found {
    const found = foundAt(opened, rule);
    if (found.at !== "nowhere") return found;
    // The user cannot follow a link into this process's folder of /proc, such as that of /dev/stdout. But the
    // task has its own /proc.
    const link = this.#asUser(() => openPath(rule.path, constants.O_NOFOLLOW));
    if (link !== undefined) {
      closeSync(link);
      const asRoot = findPath(rule);
      if (asRoot.at === "stream" || asRoot.at === "proc") return asRoot;
      if (asRoot.at === "host") closeSync(asRoot.descriptor);
    }
    return { at: "nowhere", errno: "ENOENT" };
  }

  #asUser<Result>(open: () => Result): Result {
    return asFileUser(this.#input.user, open);
  }

  #check(rule: UnveilRule, found: Found): void {
    this.#host ??= readHost(this.#input);
    const host = this.#host;
    switch (found.at) {
      case "stream":
        return;
      case "proc":
        if (/^\/proc\/\d/.test(found.path) || (this.#input.hostPid && changes(rule)))
          throw refused(rule, "processes that are not the task's", never);
        this.#checkAllowed(rule, found.path, host);
        return;
      case "host":
        this.#checkOpened(rule, openedFile(found.descriptor), host);
        return;
      case "nowhere":
        this.#checkMissing(rule, host);
    }
  }

  #checkOpened(rule: UnveilRule, file: OpenedFile, host: Host): void {
    if (host.own.some((folder) => isAtOrBelow(file.path, folder))) return;
    this.#checkPlaces(rule, file.path, file, host);
    this.#checkAllowed(rule, file.path, host);
  }

  /**
   * Answers for a missing path as for an existing one in the same folder, so that the answer does not tell which
   * paths exist.
   */
  #checkMissing(rule: UnveilRule, host: Host): void {
    const nearest = this.#nearestFolder(rule.path);
    if (nearest === undefined) return;
    const { file, rest } = nearest;
    const path = `${file.path === "/" ? "" : file.path}${rest}`;
    if (host.own.some((folder) => isAtOrBelow(path, folder))) return;
    // What is around the missing path is not asked for.
    this.#checkPlaces(rule, path, { ...file, isFolder: false }, host);
    this.#checkAllowed(rule, path, host);
  }

  /** The innermost folder on the way to a path that the user reaches, and the rest of the path. */
  #nearestFolder(path: string): { readonly file: OpenedFile; readonly rest: string } | undefined {
    let folder = path;
    do {
      folder = dirname(folder);
      const opened = this.#asUser(() => openPath(folder));
      if (opened === undefined) continue;
      const file = openedFile(opened);
      closeSync(opened);
      return { file, rest: path.slice(folder === "/" ? 0 : folder.length) };
    } while (folder !== "/");
    return undefined;
  }

  /**
   * Checks where a file is, and for a folder also what is in it: a rule applies to everything below.
   * @param path the path that the job would reach, without symlinks
   */
  #checkPlaces(rule: UnveilRule, path: string, file: OpenedFile, host: Host): void {
    const mount = host.mounts.byId(file.mountId);
    if (mount === undefined) throw refused(rule, "a mount that is not the host's", never);
    // Mounts at the folder itself are hidden by the last one, but may appear again.
    const below = file.isFolder ? host.mounts.atOrBelow(file.path) : [];
    const shown = [placeOf(file.path, mount), ...below.map(placeOfRoot)];
    const layers = shown.flatMap((place) => host.overlays.below(place));
    const places = [...shown, ...layers.map(({ place }) => place)];
    const kept = host.kept.find(({ place }) =>
      places.some((each) => isIn(each, place) || (file.isFolder && isIn(place, each))),
    );
    if (kept !== undefined) throw refused(rule, kept.what, kept.hint);
    const types = [mount, ...below, ...layers].map(({ type }) => specialTypes.get(type));
    const isOfDevices = host.devices.some((place) =>
      places.some((each) => isIn(each, place) || (file.isFolder && isIn(place, each))),
    );
    const special = file.isDevice || isOfDevices ? deviceNodes : types.find((what) => what !== undefined);
    if (special === undefined) return;
    const isListed = special === deviceNodes ? namesDevice(path, host) : listsPlace(path, host);
    if (!isListed) throw refused(rule, special, special === deviceNodes ? nameIt : listIt);
  }

  /** @param path without symlinks */
  #checkAllowed(rule: UnveilRule, path: string, host: Host): void {
    const { unveilAllowed } = this.#input.options;
    const { jobMode } = rule;
    if (unveilAllowed.length === 0 || jobMode === undefined) return;
    const rights = rightsAt(path, [...host.listed, ...host.resolved()]);
    const more = without(jobMode, rights);
    if (isNothing(more)) return;
    throw new DriverError(
      "UNVEIL_NOT_ALLOWED",
      `The job unveils ${entryOf(rule)}, which this client does not allow`,
      {
        failed: { call: "openat2", path: rule.path, errno: "EACCES" },
        hint: `It allows at or below: ${unveilAllowed.join(", ")} (unveil_allowed in the plugin block)`,
      },
    );
  }
}

function closeAll(files: ReadonlyMap<UnveilRule, Found>): void {
  for (const found of files.values()) if (found.at === "host") closeSync(found.descriptor);
}

/** Whether only the job unveils the path, and the path is outside of the task's own folders. */
function isOnlyFromJob({ sources, beneath }: UnveilRule): boolean {
  return beneath === undefined && sources.every((source) => source === "task");
}

/** The default paths on the host, with its devices for all tasks. */
const harmless: readonly PathRight[] = [...defaultEntries, ...ownRootPaths].filter(
  ({ path }) => path !== TMP,
);

/** Whether a job asks for more than reading. */
function changes({ jobMode }: UnveilRule): boolean {
  return jobMode?.write === true || jobMode?.execute === true || jobMode?.create === true;
}

/** What of the host matters for one start. */
interface Host {
  readonly mounts: MountTable;
  readonly overlays: Overlays;
  /** The task's own folders, without symlinks. */
  readonly own: readonly string[];
  /** What no job gets, whatever the operator lists. */
  readonly kept: readonly { readonly place: Place; readonly what: string; readonly hint: string }[];
  /** `/dev`, whose file system is a tmpfs in some containers. */
  readonly devices: readonly Place[];
  /** What the operator, or the driver by default, gives to jobs. */
  readonly listed: readonly PathRight[];
  /** The same, without symlinks. */
  readonly resolved: () => readonly PathRight[];
}

function readHost(input: JobPathsInput): Host {
  const mounts = hostMounts().table();
  const overlays = new Overlays(mounts);
  const { options } = input;
  const listed = [
    ...(options.unveilDefaults ? harmless : []),
    ...[...options.unveilPaths, ...options.unveilAllowed].map((entry) => parseUnveil(entry, "plugin")),
  ];
  let resolved: PathRight[] | undefined;
  return {
    mounts,
    overlays,
    own: ownFolders(input),
    kept: [...agentPlaces(input.allocDir, mounts), ...statePlaces(input.stateFolders, mounts)].flatMap(
      (kept) => [kept, ...overlays.below(kept.place).map(({ place }) => ({ ...kept, place }))],
    ),
    devices: placesOf("/dev", mounts),
    listed,
    resolved: () => {
      resolved ??= listed.flatMap(({ path, mode }) => {
        const real = realPathOf(path);
        return real === undefined || real === path ? [] : [{ path: real, mode }];
      });
      return resolved;
    },
  };
}

/** Whether the operator lists the device itself: a folder around it has further devices, and may get new ones. */
function namesDevice(path: string, { listed, resolved }: Host): boolean {
  const named = [...listed, ...resolved(), ...harmless].filter((entry) => entry.path === path);
  return named.some((entry) => fileAt(entry.path)?.isDevice === true);
}

/** Whether the operator lists a folder of such a file system, and not only a folder around many things. */
function listsPlace(path: string, { listed, resolved, mounts, overlays }: Host): boolean {
  const around = [...listed, ...resolved()].filter((entry) => isAtOrBelow(path, entry.path));
  return around.some((entry) => {
    const file = fileAt(entry.path);
    const mount = file && mounts.byId(file.mountId);
    if (file === undefined || mount === undefined) return false;
    const layers = overlays.below(placeOf(file.path, mount));
    return [mount, ...layers].some(({ type }) => specialTypes.has(type));
  });
}

/** Undefined if nothing is there. */
function fileAt(path: string): OpenedFile | undefined {
  const opened = openPath(path);
  if (opened === undefined) return undefined;
  const file = openedFile(opened);
  closeSync(opened);
  return file;
}

/** The paths of the task's folders, if they are the allocation's: a job's environment names them. */
function ownFolders({ folders, allocDir, taskName }: JobPathsInput): string[] {
  const original = foldersIn(allocDir, taskName);
  const pairs = (["taskDir", "allocDir", "secretsDir", "tmpDir"] as const).map(
    (name) => [folders[name], original[name]] as const,
  );
  return pairs.flatMap(([folder, original]) => {
    const [own, expected] = [
      openPath(folder, constants.O_NOFOLLOW),
      openPath(original, constants.O_NOFOLLOW),
    ];
    try {
      if (own === undefined || expected === undefined) return [];
      if (identityOf(fstatSync(own)) !== identityOf(fstatSync(expected))) return [];
      const path = readlinkSync(`/proc/self/fd/${own}`);
      return folder === folders.taskDir ? [path, dirname(path)] : [path];
    } finally {
      for (const descriptor of [own, expected]) if (descriptor !== undefined) closeSync(descriptor);
    }
  });
}

const never = "No option allows this: use a volume, or a path that is made for jobs";
const listIt =
  "Only a client that lists the path itself in unveil_allowed or unveil_paths allows this; a folder around it does not count";
const nameIt =
  "Only a client that names the device itself in unveil_allowed or unveil_paths allows this; a folder around it does not count";

/**
 * The agent's folders. Those of the tasks are bind mounts of folders in them, and so are in the same places. A
 * task's secrets are in a file system in memory of their own.
 */
function agentPlaces(allocDir: string, mounts: MountTable): Host["kept"] {
  const allocations = dirname(allocDir);
  const data = dirname(allocations);
  // The folder of allocations may have been configured to be elsewhere.
  const isData = basename(allocations) === "alloc" && existsSync(`${data}/client`);
  const hint = "A task's own folders are at NOMAD_ALLOC_DIR, NOMAD_TASK_DIR and NOMAD_SECRETS_DIR";
  return [
    ...[allocations, ...(isData ? [data] : [])].flatMap((folder) => {
      const real = realpathSync.native(folder);
      const secrets = mounts.atOrBelow(real).filter(({ type, root }) => type === "tmpfs" && root === "/");
      return [...placesOf(folder, mounts), ...secrets.map(placeOfRoot)];
    }),
  ].map((place) => ({ place, what: "the agent's folders, which hold the allocations", hint }));
}

function statePlaces(folders: readonly string[], mounts: MountTable): Host["kept"] {
  const what = "a state folder of this driver";
  return folders.flatMap((folder) => placesOf(folder, mounts)).map((place) => ({ place, what, hint: never }));
}

function placesOf(path: string, mounts: MountTable): Place[] {
  const opened = openPath(path);
  if (opened === undefined) return [];
  const file = openedFile(opened);
  closeSync(opened);
  const mount = mounts.byId(file.mountId);
  return mount === undefined ? [] : [placeOf(file.path, mount)];
}

const deviceNodes = "device nodes of the host";
const cgroups = "a cgroup file system, which shows and controls all tasks";
const ofKernel = "a file system that shows or controls the kernel";

/** File systems that are no job's, by their types in proc_filesystems(5). */
const specialTypes: ReadonlyMap<string, string> = new Map([
  ["cgroup", cgroups],
  ["cgroup2", cgroups],
  ["devtmpfs", deviceNodes],
  ["devpts", deviceNodes],
  ["bpf", "the host's BPF programs and maps"],
  ["mqueue", "message queues of the host"],
  ...["tracefs", "debugfs", "securityfs", "configfs"].map((type): [string, string] => [type, ofKernel]),
]);

interface OpenedFile {
  /** Without symlinks. */
  readonly path: string;
  readonly mountId: number;
  readonly isFolder: boolean;
  readonly isDevice: boolean;
}

function openedFile(descriptor: number): OpenedFile {
  const status = fstatSync(descriptor);
  return {
    path: readlinkSync(`/proc/self/fd/${descriptor}`),
    mountId: mountIdOf(descriptor),
    isFolder: status.isDirectory(),
    isDevice: status.isCharacterDevice() || status.isBlockDevice(),
  };
}

function openPath(path: string, flags = 0): number | undefined {
  const opened = tryOpenat2(AT_FDCWD, path, { flags: O_PATH | flags, resolve: RESOLVE_NO_MAGICLINKS });
  return typeof opened === "number" ? opened : undefined;
}

function entryOf({ path, jobMode, mode }: UnveilRule): string {
  return formatUnveil({ path, mode: jobMode ?? mode });
}

function refused(rule: UnveilRule, what: string, hint: string): DriverError {
  return new DriverError("UNVEIL_NOT_ALLOWED", `The job unveils ${entryOf(rule)}, which leads to ${what}`, {
    failed: { call: "openat2", path: rule.path, errno: "EACCES" },
    hint,
  });
}
