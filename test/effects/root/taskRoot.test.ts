import { describe, expect, it } from "vitest";
import { parsePluginOptions } from "../../../src/driver/options/pluginOptions.ts";
import type { TaskFolders } from "../../../src/effects/layout/layout.ts";
import type { MemoryMount } from "../../../src/effects/layout/mountBlocks.ts";
import { parseTaskOptions } from "../../../src/effects/parts.ts";
import {
  isSameTemplate,
  type RootTemplate,
  type TaskRoot,
  taskRoot,
} from "../../../src/effects/root/taskRoot.ts";
import { unveilRules } from "../../../src/effects/unveil/unveilRules.ts";

const allocId = "6f2d4a9e-0000-4000-8000-000000000000";
const allocMounts = "/opt/nomad/alloc_mounts";

interface Given {
  readonly plugin?: Readonly<Record<string, unknown>>;
  readonly unveil?: readonly string[];
  readonly bound?: readonly { readonly source: string; readonly target: string }[];
  readonly mounts?: readonly { readonly target: string; readonly isFolder: boolean }[];
  readonly inMemory?: readonly MemoryMount[];
  readonly alloc?: string;
  readonly folders?: Partial<TaskFolders>;
}

function rootOf({
  plugin,
  unveil,
  bound = [],
  mounts = [],
  inMemory = [],
  alloc = allocId,
  folders,
}: Given = {}): TaskRoot {
  const options = parsePluginOptions({ unveil_by_task: true, ...plugin });
  const task = parseTaskOptions({ command: "x", unveil }, options);
  const rootDir = `${allocMounts}/${alloc}-web`;
  const own: TaskFolders = {
    rootDir,
    taskDir: `${rootDir}/local`,
    allocDir: `${rootDir}/alloc`,
    secretsDir: `${rootDir}/secrets`,
    tmpDir: `${rootDir}/tmp`,
    ...folders,
  };
  const rules = unveilRules({ options, task, folders: own, bound, inMemory, root: "private" });
  return taskRoot({
    rules,
    folders: own,
    allocId: alloc,
    bound,
    mounts,
    defaults: options.unveilDefaults,
    maskProc: false,
  });
}

const pathsOf = ({ template }: TaskRoot) => template.paths.map(({ path }) => path);
const placesOf = ({ template }: TaskRoot) => template.places.map(({ path }) => path);

describe("the root of a task", () => {
  it("is the same for all tasks that unveil the same paths", () => {
    const other = rootOf({ alloc: "aaaaaaaa-0000-4000-8000-000000000000" });
    expect(rootOf().template).toEqual(other.template);
    expect(JSON.stringify(rootOf().template)).not.toContain(allocId);
    expect(rootOf({ unveil: ["r:/srv"] }).template).not.toEqual(other.template);
  });

  it("has the unveiled paths, each writable if a letter of its mode allows writing", () => {
    const { template } = rootOf({
      plugin: { unveil_defaults: false, unveil_paths: ["r:/srv/a", "rw:/srv/b"] },
      unveil: ["rc:/srv/c", "x:/srv/d"],
    });
    expect(template.paths).toEqual([
      { path: "/srv/a", writable: false, unveiled: true },
      { path: "/srv/b", writable: true, unveiled: true },
      { path: "/srv/c", writable: true, unveiled: true },
      { path: "/srv/d", writable: false, unveiled: true },
    ]);
  });

  it("also has the task's own folders, at paths that do not depend on the task", () => {
    const root = rootOf();
    expect(root.folders).toEqual([`${allocMounts}/${allocId}-web`]);
    expect(root.parents).toEqual([allocMounts]);
    expect(root.ownMounts).toEqual(["/dev/shm", "/dev/pts"]);
    expect(placesOf(root)).toEqual(["/proc", "/dev/shm", "/dev/pts", "/tmp", allocMounts]);
    expect(root.template.links).toEqual([{ path: "/dev/ptmx", target: "pts/ptmx" }]);
  });

  it("lacks the host's paths in /proc, and the sources of bind mounts", () => {
    const bound = [{ source: "/var/lib/exec2/run/1/resolv.conf", target: "/etc/resolv.conf" }];
    const root = rootOf({ bound, unveil: ["r:/proc/self/status"] });
    expect(pathsOf(root).filter((path) => /proc|exec2|resolv|alloc_mounts/.test(path))).toEqual([]);
    expect(root.template.places).toContainEqual({ path: "/etc/resolv.conf", isFolder: false });
  });

  it("masks /proc if the options unveil a path in it", () => {
    expect(rootOf().maskProc).toBe(false);
    expect(rootOf({ unveil: ["r:/proc/self/status"] }).maskProc).toBe(true);
    expect(rootOf({ plugin: { unveil_paths: ["r:/proc"] } }).maskProc).toBe(true);
  });

  it.each(["r:/dev/shm", "r:/dev/shm/app", "rw:/dev"])("has the host's /dev/shm for %s", (entry) => {
    const { ownMounts, template } = rootOf({ unveil: [entry] });
    expect(ownMounts).toEqual(entry === "rw:/dev" ? [] : ["/dev/pts"]);
    expect(template.paths.map(({ path }) => path)).toContain(entry.slice(entry.indexOf(":") + 1));
  });

  it("has mount points for volumes outside of the task's own folders", () => {
    const root = rootOf({
      mounts: [
        { target: "/srv/data", isFolder: true },
        { target: "/etc/app.conf", isFolder: false },
        { target: `${allocMounts}/${allocId}-web/local/in`, isFolder: true },
        { target: "/tmp/in", isFolder: true },
      ],
    });
    expect(root.template.places).toContainEqual({ path: "/srv/data", isFolder: true });
    expect(root.template.places).toContainEqual({ path: "/etc/app.conf", isFolder: false });
    expect(placesOf(root).filter((path) => path.endsWith("/in"))).toEqual([]);
  });

  it("has mount points for folders in memory, which are no devices of its own", () => {
    const inMemory = [{ target: "/var/cache/app", bytes: 1 }];
    const root = rootOf({ inMemory });
    expect(root.ownMounts).toEqual(["/dev/shm", "/dev/pts"]);
    expect(root.template.places).toContainEqual({ path: "/var/cache/app", isFolder: true });
    expect(pathsOf(root)).not.toContain("/var/cache/app");
  });

  it("makes no folder if the host's folder is unveiled at its path", () => {
    const root = rootOf({ unveil: [`r:${allocMounts}`] });
    expect(root.parents).toEqual([]);
    expect(root.folders).toEqual([`${allocMounts}/${allocId}-web`]);
  });

  it("hides no unveiled path beside the task's folders", () => {
    const root = rootOf({ unveil: [`r:${allocMounts}/shared`] });
    expect(root.parents).toEqual([]);
    expect(placesOf(root)).toContain(`${allocMounts}/${allocId}-web`);
  });

  it("lists the task's own folders separately from their parent, which all allocations share", () => {
    const data = "/var/nomad/alloc";
    const folders = {
      rootDir: `${data}/${allocId}/web`,
      taskDir: `${data}/${allocId}/web/local`,
      allocDir: `${data}/${allocId}/alloc`,
      secretsDir: `${data}/${allocId}/web/secrets`,
      tmpDir: `${data}/${allocId}/web/tmp`,
    };
    const root = rootOf({ folders });
    expect(root.folders).toEqual([folders.rootDir, folders.allocDir]);
    expect(root.parents).toEqual([data]);
  });
});

describe("equal templates", () => {
  const { template } = rootOf({ unveil: ["r:/srv"] });
  const changed = <Entry>(list: readonly Entry[], change: Partial<Entry>) => [
    { ...(list[0] as Entry), ...change },
    ...list.slice(1),
  ];

  it("are those of tasks that unveil the same paths", () => {
    expect(isSameTemplate(template, rootOf({ unveil: ["r:/srv"] }).template)).toBe(true);
  });

  it.each<[string, Partial<RootTemplate>]>([
    ["an additional path", { paths: [...template.paths, { path: "/opt", writable: false, unveiled: true }] }],
    ["a missing path", { paths: template.paths.slice(1) }],
    ["another path", { paths: changed(template.paths, { path: "/other" }) }],
    ["a writable path", { paths: changed(template.paths, { writable: true }) }],
    ["a path without rights", { paths: changed(template.paths, { unveiled: false }) }],
    ["no link", { links: [] }],
    ["a link elsewhere", { links: changed(template.links, { target: "/other" }) }],
    ["another place", { places: changed(template.places, { path: "/other" }) }],
    ["a place for a file", { places: changed(template.places, { isFolder: false }) }],
  ])("differ by %s", (_, change) => {
    expect(isSameTemplate(template, { ...template, ...change })).toBe(false);
    expect(isSameTemplate({ ...template, ...change }, template)).toBe(false);
  });
});

describe("the host's tree is a task's root", () => {
  it("if everything is unveiled", () => {
    const options = parsePluginOptions({ unveil_paths: ["r:/"] });
    const task = parseTaskOptions({ command: "x" }, options);
    const folders = rootOfFolders();
    expect(unveilRules({ options, task, folders, root: "private" }).root).toBe("host");
    expect(unveilRules({ options: parsePluginOptions({}), task, folders, root: "private" }).root).toBe(
      "private",
    );
  });
});

function rootOfFolders(): TaskFolders {
  const rootDir = `${allocMounts}/x`;
  return {
    rootDir,
    taskDir: `${rootDir}/local`,
    allocDir: `${rootDir}/alloc`,
    secretsDir: `${rootDir}/secrets`,
    tmpDir: `${rootDir}/tmp`,
  };
}
