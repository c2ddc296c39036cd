/**
 * Volumes whose files belong to the task's user in the task, and to the volume's owner on the host: idmapped mounts,
 * mount_setattr(2). Only the owner of the volume's folder and the folder's group are mapped. Files of others, and so
 * root's, belong to nobody in the task: it can neither write to them nor become their owner.
 *
 * The plugin makes these mounts, and init mounts them in the task: so the owner that is checked, and the tree that is
 * mounted, are those of one open file.
 */
import { closeSync, fstatSync, writeFileSync } from "node:fs";
import { DriverError } from "../../base/errors.ts";
import * as k from "../kernel/constants.ts";
import { copyTree, openat2, trySetAttributes } from "../kernel/libc.ts";
import { mountAttr } from "../kernel/structs.ts";
import type { PluginValues } from "../options/fields.ts";
import { hostMounts, mountIdOf } from "../paths/hostMounts.ts";
import { isAtOrBelow, withoutSlashes } from "../paths/paths.ts";
import { closeRangeStep, endWithParentStep, hold, holdSteps } from "../plan/commonSteps.ts";
import { openHeldNamespace } from "../plan/heldNamespace.ts";
import { flags, noSteps, type WholePlan } from "../plan/plan.ts";
import type { usersOptions } from "../users/options.ts";
import { ownerProblem } from "../users/users.ts";
import type { LaunchMount, MountPoints } from "./mountPoints.ts";
import { attributesOf } from "./mountSteps.ts";
import type { rootOptions } from "./options.ts";

interface Ids {
  readonly uid: number;
  readonly gid: number;
}

export interface IdmapInput {
  readonly user: Ids;
  readonly options: Pick<PluginValues<typeof rootOptions>, "idmappedRootVolumes"> &
    Pick<PluginValues<typeof usersOptions>, "deniedHostUids" | "deniedHostGids">;
  /** As the `runnerFolder` of a plan. */
  readonly runnerFolder: string | undefined;
}

/** Mounts whose idmapped volumes have their `tree`. The trees have to stay open until init has mounted them. */
export interface IdmappedMounts extends Disposable {
  readonly mounts: MountPoints["mounts"];
}

/** The idmapped volumes of a task, with the files and user namespaces that make copies of their trees. */
export class IdmappedVolumes implements Disposable {
  readonly #mounts: MountPoints["mounts"];
  readonly #opened: ReadonlyMap<LaunchMount, OpenedVolume>;
  readonly #undo: DisposableStack;

  private constructor(
    mounts: MountPoints["mounts"],
    opened: ReadonlyMap<LaunchMount, OpenedVolume>,
    undo: DisposableStack,
  ) {
    this.#mounts = mounts;
    this.#opened = opened;
    this.#undo = undo;
  }

  /**
   * Opens the volumes with `isIdmapped`, except those that belong to the task's user anyway.
   * @throws DriverError `IDMAP_REFUSED` for an owner whose files no task gets
   * @throws DriverError `LAUNCH_FAILED` if no user namespace can be made
   */
  static async open(mounts: MountPoints["mounts"], input: IdmapInput): Promise<IdmappedVolumes> {
    using undo = new DisposableStack();
    const opened = new Map<LaunchMount, OpenedVolume>();
    for (const mount of mounts) {
      const volume = mount.isIdmapped && (await openVolume(mount, input));
      if (volume !== undefined) opened.set(mount, undo.use(volume));
    }
    return new IdmappedVolumes(mounts, opened, undo.move());
  }

  /**
   * All mounts, with new copies of the idmapped trees.
   * @throws DriverError `IDMAP_REFUSED` for a file system without idmapped mounts
   */
  copy(): IdmappedMounts {
    using undo = new DisposableStack();
    const mounts = this.#mounts.map((mount) => {
      const volume = this.#opened.get(mount);
      if (volume === undefined) return mount;
      const tree = undo.adopt(idmappedTree(mount, volume), closeSync);
      return { ...mount, tree: `${process.pid}/fd/${tree}` };
    });
    const trees = undo.move();
    return { mounts, [Symbol.dispose]: () => trees[Symbol.dispose]() };
  }

  [Symbol.dispose](): void {
    this.#undo[Symbol.dispose]();
  }
}

interface OpenedVolume extends Disposable {
  /** Descriptor of the volume's file or folder. */
  readonly source: number;
  /** Descriptor of the user namespace that maps its owner to the task's user. */
  readonly namespace: number;
}

/** @returns undefined if the volume belongs to the task's user anyway */
async function openVolume(
  mount: LaunchMount,
  { user, options, runnerFolder }: IdmapInput,
): Promise<OpenedVolume | undefined> {
  using undo = new DisposableStack();
  // The path has no symlinks: prepareMounts has resolved it.
  const how = { flags: k.O_PATH, resolve: k.RESOLVE_NO_SYMLINKS };
  const source = undo.adopt(openat2(k.AT_FDCWD, mount.source, how), closeSync);
  const owner = fstatSync(source);
  if (owner.uid === user.uid && owner.gid === user.gid) return undefined;
  checkOwner(mount, owner, options);
  const namespace = undo.adopt(await userNamespace(owner, user, runnerFolder), closeSync);
  const opened = undo.move();
  return { source, namespace, [Symbol.dispose]: () => opened[Symbol.dispose]() };
}

/** @returns a descriptor of the tree */
function idmappedTree(mount: LaunchMount, { source, namespace }: OpenedVolume): number {
  const tree = copyTree(source, mount.source);
  const propagation = mount.propagation === "private" ? k.MS_PRIVATE : k.MS_SLAVE;
  const attributes = attributesOf(mount).value + k.MOUNT_ATTR_IDMAP;
  const errno = trySetAttributes(tree, mountAttr(attributes, propagation, namespace));
  if (errno === undefined) return tree;
  closeSync(tree);
  throw notMappable(mount, source, errno);
}

/** Files that a task makes belong to this owner, also programs with a set-user-ID bit. */
function checkOwner(mount: LaunchMount, { uid, gid }: Ids, options: IdmapInput["options"]): void {
  const isRoots = uid === 0 || gid === 0;
  if (
    isRoots &&
    !options.idmappedRootVolumes.some((path) => isAtOrBelow(mount.source, withoutSlashes(path)))
  ) {
    const whose = uid === 0 ? "root" : "root's group";
    throw refused(
      mount,
      `belongs to ${whose}`,
      `Give ${mount.source} to a user and a group of its own (chown); or let the operator list it in idmapped_root_volumes of the plugin block`,
    );
  }
  const problem = ownerProblem({ uid, gid }, options);
  if (problem === undefined) return;
  const hint = `Give ${mount.source} to a user and a group that tasks may be`;
  throw refused(mount, `has an owner that no task may be: ${problem}`, hint);
}

/**
 * A user namespace that maps the ids of files to the ids that the task sees: user_namespaces(7), where the ids of
 * files are those inside.
 */
function userNamespace(owner: Ids, user: Ids, folder: string | undefined): Promise<number> {
  return openHeldNamespace(namespacePlan, {}, "user", {
    folder,
    failed: "the user namespace for an idmapped volume could not be made",
    settle: (pid) => {
      writeFileSync(`/proc/${pid}/uid_map`, `${owner.uid} ${user.uid} 1\n`);
      writeFileSync(`/proc/${pid}/gid_map`, `${owner.gid} ${user.gid} 1\n`);
    },
  });
}

const { CLONE_NEWUSER } = k;

const namespacePlan: WholePlan<"hold"> = {
  initName: "exec2-idmap",
  inherited: { hold },
  outlivesPlugin: false,
  steps: {
    ...noSteps,
    parent: [
      endWithParentStep("end with the plugin"),
      closeRangeStep("close inherited descriptors", hold + 1),
      {
        name: "make a user namespace",
        call: "unshare",
        args: [flags({ CLONE_NEWUSER })],
        hints: {
          ENOSPC: "The host allows no more user namespaces: see user.max_user_namespaces of sysctl(8)",
        },
      },
      ...holdSteps(),
    ],
  },
};

function notMappable(mount: LaunchMount, source: number, errno: string): DriverError {
  const failed = { call: "mount_setattr", path: mount.source, errno };
  if (errno === "EPERM") {
    const hint = "It is an idmapped mount already: mount it without a map, or use the volume as it is";
    return refused(mount, "cannot be idmapped once more", hint, failed);
  }
  const types = fileSystemsAt(mount.source, source).join(", ");
  return refused(
    mount,
    `cannot be idmapped, because its file system, or one mounted in it, has no idmapped mounts on this kernel (${types})`,
    `Leave it out of idmapped_volumes, and give it to the task's user (chown). ext4, xfs, btrfs and, from Linux 6.3 on, tmpfs have idmapped mounts`,
    failed,
  );
}

/** The types of the file system at a volume's source, and of those that are mounted below. */
function fileSystemsAt(path: string, descriptor: number): string[] {
  const table = hostMounts().table();
  const types = [table.byId(mountIdOf(descriptor)), ...table.atOrBelow(path)].flatMap(
    (mount) => mount?.type ?? [],
  );
  return [...new Set(types)];
}

function refused(
  { target, source }: LaunchMount,
  problem: string,
  hint: string,
  failed?: { readonly call: string; readonly path: string; readonly errno: string },
): DriverError {
  return new DriverError("IDMAP_REFUSED", `the volume at ${target} (${source}) ${problem}`, { hint, failed });
}
