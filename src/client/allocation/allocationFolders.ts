/** The folders of an allocation, laid out as the Nomad client does. */
import { chmod, chown, mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";

/** Ids that a folder is given to. */
interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface AllocationFolders {
  /** The allocation's private folder. */
  readonly root: string;
  /** Shared by its tasks: `NOMAD_ALLOC_DIR`. */
  readonly shared: string;
  readonly logs: string;
}

export interface TaskFolders {
  readonly root: string;
  /** `NOMAD_TASK_DIR`. */
  readonly local: string;
  /** `NOMAD_SECRETS_DIR`. */
  readonly secrets: string;
  readonly tmp: string;
}

/**
 * A new folder for everything that one `run` makes on disk. Below /var/tmp,
 * because tasks of any user have to get through to their folders, which the state
 * folder keeps them from, and /tmp is hidden by the tasks' private one.
 */
export async function makeWorkFolder(parent = "/var/tmp"): Promise<string> {
  const folder = await mkdtemp(join(parent, "nomad-driver-exec2-"));
  await chmod(folder, passOnly);
  return folder;
}

export async function makeAllocationFolders(work: string, allocId: string): Promise<AllocationFolders> {
  const root = join(work, "alloc", allocId);
  const shared = join(root, "alloc");
  await makeFolder(join(work, "alloc"), passOnly);
  await makeFolder(root, passOnly);
  for (const folder of [shared, ...["data", "logs", "tmp"].map((name) => join(shared, name))]) {
    await makeFolder(folder, everybody);
  }
  return { root, shared, logs: join(shared, "logs") };
}

/** The folders of one task, which are its user's own. */
export async function makeTaskFolders(
  { root: allocation }: AllocationFolders,
  task: string,
  owner: Owner,
): Promise<TaskFolders> {
  const root = join(allocation, task);
  const folders = {
    root,
    local: join(root, "local"),
    secrets: join(root, "secrets"),
    tmp: join(root, "tmp"),
  };
  await makeFolder(root, 0o710, owner);
  await makeFolder(folders.local, everybody, owner);
  await makeFolder(folders.secrets, 0o700, owner);
  await makeFolder(folders.tmp, everybody, owner);
  return folders;
}

/** @throws the file system's error where something of it cannot be removed */
export async function removeFolders(work: string): Promise<void> {
  await rm(work, { recursive: true, force: true });
}

/** Others may go through to what they know the name of. */
const passOnly = 0o711;
const everybody = 0o777;

/** The process's umask would take bits off the mode of mkdir: it is set afterwards. */
async function makeFolder(path: string, mode: number, owner?: Owner): Promise<void> {
  await mkdir(path, { recursive: true });
  if (owner) await chown(path, owner.uid, owner.gid);
  await chmod(path, mode);
}
