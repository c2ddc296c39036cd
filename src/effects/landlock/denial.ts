/** Describes what the sandbox refused to a task, and what Landlock and the unveiled paths say to it. Pure. */
import { type Denial, isOfNetwork, OTHER_MACHINE, refusedCall, type Verdict } from "../denial.ts";
import { egressWords } from "../egress/egressDenial.ts";
import type { SystemCallName } from "../kernel/systemCalls.ts";
import { isAtOrBelow, isInProc } from "../paths/paths.ts";
import { isHostSecret, isSharedFolder } from "../unveil/pathRights.ts";
import type { LandlockRight } from "./rights.ts";

/**
 * What a Landlock domain can refuse, as audit records name it: Landlock's rights, changes of mounts, and
 * ptrace(2).
 */
type LandlockBlocker = LandlockRight | "fs.change_topology" | "ptrace";

/**
 * The words that follow "denied" for a blocker, and the letters of the unveil mode that allows the access.
 */
type Words = readonly [refused: string, letters?: string];

const landlockWords: Readonly<Record<LandlockBlocker, Words>> = {
  "fs.execute": ["executing", "rx"],
  "fs.write_file": ["writing", "w"],
  "fs.read_file": ["reading", "r"],
  "fs.read_dir": ["listing", "r"],
  "fs.remove_dir": ["removing a folder in", "c"],
  "fs.remove_file": ["removing a file in", "c"],
  "fs.make_char": ["creating a character device in"],
  "fs.make_dir": ["creating a folder in", "c"],
  "fs.make_reg": ["creating a file in", "wc"],
  "fs.make_sock": ["creating a socket in", "c"],
  "fs.make_fifo": ["creating a FIFO in", "c"],
  "fs.make_block": ["creating a block device in"],
  "fs.make_sym": ["creating a symlink in", "c"],
  "fs.refer": ["moving or linking from or to", "c"],
  "fs.truncate": ["truncating", "w"],
  "fs.ioctl_dev": ["controlling the device", "w"],
  "fs.resolve_unix": ["connecting to the socket", "w"],
  "fs.change_topology": ["mounting on"],
  "net.bind_tcp": ["binding TCP port"],
  "net.connect_tcp": ["connecting to TCP port"],
  "net.bind_udp": ["binding UDP port"],
  "net.connect_send_udp": ["sending to UDP port"],
  "scope.abstract_unix_socket": ["connecting to the abstract socket"],
  "scope.signal": ["sending a signal to"],
  ptrace: ["tracing"],
};

/** Every blocker but those of system calls. */
export const blockerNames: readonly string[] = [...Object.keys(landlockWords), ...Object.keys(egressWords)];

/**
 * What was refused, as the words that follow "denied": `reading /etc/passwd`. May contain control characters:
 * see `visible`.
 */
export function describeDenial({ blockers, object }: Denial): string {
  const verbs = blockers.map((blocker) => {
    if (blocker === OTHER_MACHINE) return "32-bit system calls";
    const call = refusedCall(blocker);
    return call === undefined
      ? (wordsOf(blocker)?.[0] ?? egressWords[blocker] ?? blocker)
      : `the system call ${call}`;
  });
  return `${verbs.join(" and ")}${object === null ? "" : ` ${object}`}`;
}

/** The verdict of Landlock's rules that no option changes; undefined for anything else. */
export function landlockVerdict({ blockers: [blocker = "", ...several] }: Denial): Verdict | undefined {
  const call = refusedCall(blocker);
  if (call !== undefined) return mountCalls.has(call) ? cannotMount : undefined;
  switch (blocker) {
    case "fs.change_topology":
      return cannotMount;
    case "scope.abstract_unix_socket":
      return {
        never: "Tasks reach only their own abstract sockets: use a socket in a folder that both can reach",
      };
    case "fs.make_char":
    case "fs.make_block":
      if (several.length > 0) return undefined;
      return { never: "Tasks make no devices: use those of a device block" };
    case "scope.signal":
    case "ptrace":
      return { never: "Tasks reach only their own processes" };
    default:
      return blocker.startsWith("fs.") || isOfNetwork(blocker) ? undefined : { never: "" };
  }
}

/** Where a task's own files are. */
export interface OwnPlaces {
  /** Id of the task's allocation; empty if unknown. */
  readonly allocId: string;
  /** The task's own folders, and the folder of its allocation. */
  readonly folders: readonly string[];
  /** Set if the task's root is made of a folder. */
  readonly rootDir?: { readonly isWritable: boolean };
}

/**
 * The verdict of the unveiled paths; undefined if they do not refuse what was denied.
 * @param isUnveiled whether the task has the rights of an entry `MODE:PATH`
 */
export function unveilVerdict(
  denial: Denial,
  isUnveiled: (entry: string) => boolean,
  own: OwnPlaces,
): Verdict | undefined {
  const { blockers, object } = denial;
  if (blockers[0]?.startsWith("fs.") !== true) return undefined;
  const entry = unveilEntry(denial);
  if (blockers.length > 1 && blockers.includes("fs.make_char")) return sameRights;
  if (entry === undefined || object === null) return { never: "" };
  if (isUnveiled(entry)) return undefined;
  // No advice: whoever follows it would open the host to the task.
  if (isHostSecret(object)) return { never: "" };
  const text = JSON.stringify(entry);
  const permission = "unveil_allowed or unveil_by_task";
  const inRootDir = rootDirVerdict(object, own);
  if (inRootDir !== undefined) return inRootDir;
  return (
    ownVerdict(object, own) ??
    widerVerdict(denial, object, text) ?? {
      settings: [{ option: "unveil", value: [entry] }],
      permission,
      ...(blockers.some(isOfFolder) && { extent: `with everything below ${object}` }),
    }
  );
}

/**
 * A file that is moved or linked must not gain rights. If it would, Landlock names all rights that it would
 * gain, of which some belong to no letter.
 */
const sameRights: Verdict = {
  never:
    "A file is moved or linked only between folders with the same rights: unveil both with the same letters",
};

/** The verdict on files of the folder that the task's root is made of. */
function rootDirVerdict(object: string, { rootDir, folders }: OwnPlaces): Verdict | undefined {
  const isOther = [...folders, "/proc", "/dev"].some((folder) => isAtOrBelow(object, folder));
  if (rootDir === undefined || isOther) return undefined;
  return {
    never: rootDir.isWritable
      ? "The top of root_dir does not change: write to a folder in it"
      : "A task only reads root_dir: set root_dir_writable, or write to NOMAD_TASK_DIR, NOMAD_ALLOC_DIR or /tmp",
  };
}

/** The verdict on paths that no entry should name: those of allocations, and the folders around them. */
function ownVerdict(object: string, { allocId, folders }: OwnPlaces): Verdict | undefined {
  const variables = "NOMAD_TASK_DIR, NOMAD_ALLOC_DIR and NOMAD_SECRETS_DIR";
  const parents = folders.flatMap((folder) => {
    const at = allocId === "" ? -1 : folder.indexOf(allocId);
    return at === -1 ? [] : [folder.slice(0, folder.lastIndexOf("/", at))];
  });
  if (allocId !== "" && object.includes(allocId)) {
    return {
      never: `No entry can name it, because the next allocation has another folder: use those that ${variables} name`,
    };
  }
  if (parents.some((parent) => isAtOrBelow(object, parent) && object !== parent))
    return { never: "It belongs to another allocation: share files by a volume" };
  if (object === "/" || folders.some((folder) => isAtOrBelow(folder, object))) {
    return {
      never: `An entry for ${object} would open other allocations, too: unveil the paths below it that the task needs, or use those that ${variables} name`,
    };
  }
  return undefined;
}

/** The verdict on paths whose entry allows more than was denied. */
function widerVerdict({ blockers }: Denial, object: string, entry: string): Verdict | undefined {
  const allows = (more: string): Verdict => ({
    risk: `The entry ${entry} in unveil would allow it, ${more}`,
  });
  if (ownProcessPath(object) !== object || /^\/proc\/(?:thread-)?self(?:\/|$)/.test(object))
    return allows("and reading in all of /proc, where much tells about the host");
  if (blockers.includes("fs.resolve_unix"))
    return allows("and everything that the service behind this socket does for those who may reach it");
  if (blockers.includes("fs.ioctl_dev") && !blockers.includes("fs.write_file"))
    return allows("and writing to the device");
  if (blockers.some(isOfFolder) && (isSharedFolder(object) || isInProc(object)))
    return allows(`and the same in everything below ${object}, which many programs share`);
  return undefined;
}

/** Whether a right is about the entries of a folder. An entry for a folder applies to everything below it. */
function isOfFolder(blocker: string): boolean {
  return /^fs\.(?:read_dir|make_|remove_|refer)/.test(blocker);
}

/** Landlock refuses what these calls are for, whatever the filter of system calls allows. */
const mountCalls: ReadonlySet<string> = new Set<SystemCallName>([
  ...(["mount", "umount2", "pivot_root", "move_mount", "open_tree", "open_tree_attr"] as const),
  ...(["fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr"] as const),
]);
const cannotMount: Verdict = { never: "Tasks cannot mount: use volumes" };

/** The unveil entry that would allow the access; undefined if no entry can. */
export function unveilEntry({ blockers, object }: Denial): string | undefined {
  const letters = blockers.map((blocker) => wordsOf(blocker)?.[1]);
  if (object === null || !isUnveilable(object) || !letters.every((each) => each !== undefined))
    return undefined;
  const mode = [..."rwxc"].filter((letter) => letters.some((each) => each.includes(letter))).join("");
  return `${mode}:${ownProcessPath(object)}`;
}

/** Whether an unveil entry can name the path: it is absolute, and has no character that entries refuse. */
function isUnveilable(path: string): boolean {
  return path.startsWith("/") && !/[*?[\]\0]|\/\.\.(?:\/|$)| \(deleted\)$|…$/.test(path);
}

/**
 * Replaces the pid in a path of /proc by `self`. Records name the process by its pid, which changes at each
 * start.
 */
function ownProcessPath(path: string): string {
  return path.replace(/^\/proc\/\d+(?:\/task\/\d+)?(?=\/)/, "/proc/self");
}

function wordsOf(blocker: string): Words | undefined {
  return Object.hasOwn(landlockWords, blocker) ? landlockWords[blocker as LandlockBlocker] : undefined;
}
