/**
 * The templates of tasks' roots, each a mount namespace that this process holds. Tasks get copies, which
 * outlive this process.
 */
import { closeSync, openSync } from "node:fs";
import { messageOf } from "../../base/errors.ts";
import type { PlacedMount, TaskFolders } from "../layout/layout.ts";
import { type HostMounts, hostMounts } from "../paths/hostMounts.ts";
import { lookAt } from "../paths/hostPaths.ts";
import { unpropagatedMounts } from "../paths/mountinfo.ts";
import { openHeldNamespace } from "../plan/heldNamespace.ts";
import { defaultEntries } from "../unveil/defaultPaths.ts";
import { RootFolder } from "./rootFolder.ts";
import { type Skeleton, skeletonOf } from "./skeleton.ts";
import { isSameTemplate, type RootTemplate, type TaskRoot } from "./taskRoot.ts";
import { buildFolderRootPlan, buildTemplatePlan } from "./templatePlan.ts";

/** A template in use. The caller disposes of it once the launch has begun. */
export interface HeldTemplate extends Disposable {
  /** Descriptor of the mount namespace. */
  readonly namespace: number;
  /**
   * The unveiled paths that led to another file, or to none, when the template was made.
   * @param identities of those unveiled paths of the template that exist now
   */
  changedPaths(identities: ReadonlyMap<string, string>): readonly string[];
  /** Whether a mount of the host is missing that was made since. */
  lacksMount(): boolean;
}

/** The folder that a root is made of. */
export interface RootBase {
  /** `O_PATH` descriptor. */
  readonly descriptor: number;
  readonly isWritable: boolean;
}

/** A task, as far as its root depends on it. */
interface RootedTask {
  readonly request: {
    readonly options: { readonly rootDir?: string | undefined; readonly rootDirWritable: boolean };
  };
  readonly folders: TaskFolders;
  readonly mounts: readonly PlacedMount[];
}

/** Most clients need one or two. */
const maxTemplates = 64;

export class RootTemplates implements Disposable {
  readonly #folder: string;
  /** The kept templates in the order of their last use, the latest at the end. */
  readonly #kept: KeptTemplate[] = [];
  #hostNamespace: number | undefined;
  /** Why the host cannot create them, once that was found out; undefined if it can. */
  problem: string | undefined;

  /** @param folder only root may access it, and it must not be mounted `noexec` */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Returns a template. Creates it, in some 3 ms, if there is none yet.
   * @throws DriverError `LAUNCH_FAILED` naming the step, call, path and errno
   */
  async hold(wanted: RootTemplate): Promise<HeldTemplate> {
    const kept = this.#take(wanted) ?? { wanted, made: makeTemplate(wanted, this.#folder) };
    this.#kept.push(kept);
    try {
      const template = await kept.made;
      template.users += 1;
      this.#dropOldest();
      return heldTemplate(template, wanted);
    } catch (thrown) {
      const index = this.#kept.indexOf(kept);
      if (index >= 0) this.#kept.splice(index, 1);
      throw thrown;
    }
  }

  /**
   * Returns the template of a task's root. For one that is made of a folder it creates a template of the folder as it is
   * now, in some 4 ms. Nobody else gets that: the folder is the task's own.
   * @throws DriverError as {@link hold} does, and `ROOT_DIR_INVALID`
   */
  async holdFor(
    { template: wanted }: TaskRoot,
    { request: { options }, folders, mounts }: RootedTask,
  ): Promise<HeldTemplate> {
    if (options.rootDir === undefined) return await this.hold(wanted);
    using base = new RootFolder(options.rootDir, folders, mounts);
    const { descriptor } = base;
    const template = await makeTemplate(wanted, this.#folder, {
      descriptor,
      isWritable: options.rootDirWritable,
    });
    return heldTemplate(template, wanted);
  }

  /** Discards a kept template. The next request creates it anew. */
  discard(wanted: RootTemplate): void {
    drop(this.#take(wanted));
  }

  /** Descriptor of this process's mount namespace. A task without a private root gets a copy of it. */
  get hostNamespace(): number {
    this.#hostNamespace ??= openSync("/proc/self/ns/mnt", "r");
    return this.#hostNamespace;
  }

  [Symbol.dispose](): void {
    for (const kept of this.#kept.splice(0)) drop(kept);
    if (this.#hostNamespace !== undefined) closeSync(this.#hostNamespace);
    this.#hostNamespace = undefined;
  }

  /** Removes a template from the kept templates and returns it; undefined if there is none. */
  #take(wanted: RootTemplate): KeptTemplate | undefined {
    const index = this.#kept.findLastIndex((kept) => isSameTemplate(kept.wanted, wanted));
    return index < 0 ? undefined : this.#kept.splice(index, 1)[0];
  }

  #dropOldest(): void {
    if (this.#kept.length > maxTemplates) drop(this.#kept.shift());
  }
}

interface KeptTemplate {
  readonly wanted: RootTemplate;
  readonly made: Promise<Template>;
}

function drop(kept: KeptTemplate | undefined): void {
  kept?.made.then(release, () => undefined);
}

/**
 * Finds out whether a root with the default paths can be created.
 * @param roots the templates to which the root is added; without them, the root is created for this call only
 * @returns why the host cannot create the root; undefined if it can
 */
export async function findRootProblem(roots?: RootTemplates): Promise<string | undefined> {
  if (roots === undefined) {
    using temporary = new RootTemplates("/run");
    return await findRootProblem(temporary);
  }
  const paths = defaultEntries.map(({ path }) => ({ path, writable: false, unveiled: true }));
  for (let attempt = 1; ; attempt++) {
    try {
      using _ = await roots.hold({ paths, links: [], places: [{ path: "/proc", isFolder: true }] });
      return undefined;
    } catch (thrown) {
      // A path that was there may be gone a moment later. For that, no node does without roots until its next start.
      if (attempt === 3) return messageOf(thrown);
    }
  }
}

interface Template {
  readonly namespace: number;
  readonly identities: Skeleton["identities"];
  /**
   * Set if later mounts of the host do not propagate to the template. After such a mount, the template must
   * be made anew.
   */
  readonly unpropagated: Unpropagated | undefined;
  /** Number of launches that use the template and have not begun yet, plus one while the template is kept. */
  users: number;
}

interface Unpropagated {
  /** The host's mounts at the last check. */
  seen: HostMounts;
  /** The paths that the template binds. */
  readonly paths: readonly string[];
  /** The mounts on these paths when the template was created. */
  readonly mounts: string;
}

function heldTemplate(template: Template, wanted: RootTemplate): HeldTemplate {
  return {
    namespace: template.namespace,
    changedPaths: (identities) => changedPaths(template, wanted, identities),
    lacksMount: () => lacksMount(template),
    [Symbol.dispose]: () => release(template),
  };
}

function release(template: Template): void {
  template.users -= 1;
  if (template.users === 0) closeSync(template.namespace);
}

async function makeTemplate(wanted: RootTemplate, folder: string, base?: RootBase): Promise<Template> {
  const mounts = hostMounts();
  const skeleton = skeletonOf(wanted, lookAt);
  const namespace = await makeNamespace(skeleton, folder, base);
  return {
    namespace,
    identities: skeleton.identities,
    unpropagated: watchMounts(mounts, skeleton),
    users: 1,
  };
}

/** @returns a descriptor of the mount namespace */
function makeNamespace(skeleton: Skeleton, folder: string, base?: RootBase): Promise<number> {
  const failed = "the root of the task could not be made";
  if (base === undefined)
    return openHeldNamespace(buildTemplatePlan(skeleton, folder), {}, "mnt", { folder, failed });
  const plan = buildFolderRootPlan(skeleton, folder, base);
  return openHeldNamespace(plan, { base: base.descriptor }, "mnt", { folder, failed });
}

function changedPaths(
  { identities }: Template,
  { paths }: RootTemplate,
  now: ReadonlyMap<string, string>,
): string[] {
  return paths.flatMap(({ path, unveiled }) =>
    unveiled && now.get(path) !== identities.get(path) ? [path] : [],
  );
}

function lacksMount({ unpropagated }: Template): boolean {
  if (unpropagated === undefined) return false;
  const mounts = hostMounts();
  if (mounts === unpropagated.seen) return false;
  if (unpropagatedMounts(mounts.mountinfo, unpropagated.paths)?.join("\n") !== unpropagated.mounts)
    return true;
  unpropagated.seen = mounts;
  return false;
}

function watchMounts(seen: HostMounts, { binds }: Skeleton): Unpropagated | undefined {
  const paths = binds.map(({ path }) => path);
  const mounts = unpropagatedMounts(seen.mountinfo, paths);
  return mounts && { seen, paths, mounts: mounts.join("\n") };
}
