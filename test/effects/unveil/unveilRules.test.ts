import { describe, expect, test } from "vitest";
import { parsePluginOptions } from "../../../src/driver/options/pluginOptions.ts";
import { placeMounts, type TaskFolders } from "../../../src/effects/layout/layout.ts";
import { type MountBlock, placeMountBlocks } from "../../../src/effects/layout/mountBlocks.ts";
import { parseTaskOptions } from "../../../src/effects/parts.ts";
import { defaultEntries } from "../../../src/effects/unveil/defaultPaths.ts";
import { formatUnveil, modeOf } from "../../../src/effects/unveil/unveil.ts";
import { type BoundPath, isConfigured, unveilRules } from "../../../src/effects/unveil/unveilRules.ts";

const root = "/opt/nomad/alloc_mounts/6f2d-web";

interface Given {
  readonly plugin?: Readonly<Record<string, unknown>>;
  readonly unveil?: readonly string[];
  readonly bound?: readonly BoundPath[];
  readonly rootDir?: string;
}

function rulesOf({ plugin, unveil, bound, rootDir = root }: Given = {}) {
  const options = parsePluginOptions({ unveil_by_task: true, ...plugin });
  const task = parseTaskOptions({ command: "x", unveil }, options);
  const folders: TaskFolders = {
    rootDir,
    taskDir: `${rootDir}/local`,
    allocDir: `${rootDir}/alloc`,
    secretsDir: `${rootDir}/secrets`,
    tmpDir: `${rootDir}/tmp`,
  };
  const result = unveilRules({ options, task, folders, ...(bound ? { bound } : {}) });
  const at = (path: string) => result.entries.find((rule) => rule.path === path);
  return { ...result, options, task, folders, at, written: result.entries.map((rule) => formatUnveil(rule)) };
}

describe("defaults", () => {
  test("are the default paths and the task's own folders", () => {
    const { written } = rulesOf();
    const system = defaultEntries.map((entry) => formatUnveil(entry)).filter((entry) => entry !== "rwc:/tmp");
    const own = [
      `r:${root}`,
      `rwxc:${root}/local`,
      `rwxc:${root}/alloc`,
      `rwc:${root}/secrets`,
      `rwxc:${root}/tmp`,
    ];
    expect([...written].sort()).toEqual([...system, ...own].sort());
  });

  test("let the task list the folder around its own, and not read in it", () => {
    expect(rulesOf().at(root)).toMatchObject({ listing: true, sources: ["folder"] });
    expect(rulesOf({ unveil: [`rw:${root}`] }).at(root)).not.toHaveProperty("listing");
  });

  test("can be switched off, together with the folders", () => {
    expect(rulesOf({ plugin: { unveil_defaults: false } }).entries).toEqual([]);
    const plugin = { unveil_defaults: false, unveil_paths: ["r:/srv"] };
    expect(rulesOf({ plugin, unveil: [`rwc:${root}/local`] }).written).toEqual([
      "r:/srv",
      `rwc:${root}/local`,
    ]);
  });
});

describe("a path that several entries name", () => {
  test("has the union of the modes, and all sources", () => {
    const { at } = rulesOf({
      plugin: { unveil_paths: ["x:/etc/hosts"] },
      unveil: ["w:/etc/hosts", "r:/etc//hosts"],
    });
    expect(at("/etc/hosts")).toEqual({
      path: "/etc/hosts",
      mode: { read: true, write: true, execute: true, create: false },
      sources: ["default", "plugin", "task"],
      jobMode: { read: false, write: true, execute: false, create: false },
    });
  });

  test("is the job's only as far as the job asks for more than others give", () => {
    const { at } = rulesOf({ plugin: { unveil_paths: ["rw:/srv"] }, unveil: ["r:/srv", "r:/opt", "w:/opt"] });
    expect(at("/srv")).not.toHaveProperty("jobMode");
    expect(at("/opt")?.jobMode).toEqual({ read: true, write: true, execute: false, create: false });
  });

  test("is not the job's if the task has a file of its own there", () => {
    const bound = [{ target: "/etc/hosts", source: "/run/own/hosts" }];
    const plugin = { unveil_defaults: false };
    expect(rulesOf({ plugin, bound, unveil: ["r:/etc/hosts"] }).at("/run/own/hosts")).not.toHaveProperty(
      "jobMode",
    );
  });

  test("has one rule", () => {
    const { entries } = rulesOf({ plugin: { unveil_paths: ["r:/srv"] }, unveil: ["w:/srv", "r:/srv/"] });
    expect(entries.filter(({ path }) => path === "/srv")).toHaveLength(1);
  });

  test("counts as configured if the options name it, even if the defaults name it, too", () => {
    const { at } = rulesOf({ unveil: ["r:/etc/hosts"] });
    expect(["/etc/hosts", "/etc/services"].map((path) => isConfigured(at(path) as never))).toEqual([
      true,
      false,
    ]);
  });
});

describe("/tmp", () => {
  test("is the task's own by default: the rule is on the folder bound over it", () => {
    const { at, privateTmp, sharedTmpReason } = rulesOf();
    expect({ privateTmp, sharedTmpReason }).toEqual({ privateTmp: true, sharedTmpReason: null });
    expect(at("/tmp")).toBeUndefined();
    expect(at(`${root}/tmp`)?.sources).toEqual(["default", "folder"]);
  });

  test("is the task's own even if no entry unveils it", () => {
    expect(rulesOf({ plugin: { unveil_defaults: false } }).privateTmp).toBe(true);
  });

  test.each([
    ["the task", { unveil: ["r:/tmp"] }, "the task's config unveils r:/tmp"],
    ["the task, below it", { unveil: ["rw:/tmp/shared/x"] }, "the task's config unveils rw:/tmp/shared/x"],
    ["the plugin", { plugin: { unveil_paths: ["rwc:/tmp"] } }, "the plugin's config unveils rwc:/tmp"],
    [
      "the plugin, below it",
      { plugin: { unveil_paths: ["r:/tmp/x"] } },
      "the plugin's config unveils r:/tmp/x",
    ],
    ["the option", { plugin: { private_tmp: false } }, "private_tmp is false"],
    ["an agent below it", { rootDir: "/tmp/NomadClient1/alloc_mounts/6f2d-web" }, "/tmp/NomadClient1"],
  ])("is the host's because of %s", (_, given, reason) => {
    const { at, privateTmp, sharedTmpReason } = rulesOf(given);
    expect(privateTmp).toBe(false);
    expect(sharedTmpReason).toContain(reason);
    // The default path /tmp never opens the host's /tmp.
    expect(at("/tmp")?.sources ?? []).not.toContain("default");
  });

  test("opens only the requested paths of the host's /tmp", () => {
    expect(rulesOf({ unveil: ["r:/tmp/x"] }).at("/tmp")).toBeUndefined();
    expect(rulesOf({ unveil: ["r:/tmp"] }).at("/tmp")).toMatchObject({
      mode: { read: true, write: false, execute: false, create: false },
    });
  });

  test.each(["r:/tmpfiles", "r:/var/tmp", "r:/"])("stays private with %s", (entry) => {
    expect(rulesOf({ unveil: [entry] }).privateTmp).toBe(true);
  });
});

describe("a path under a bind mount", () => {
  const bound = [{ target: "/etc/resolv.conf", source: "/run/exec2/a/resolv.conf" }];

  test("has its rule on the mount's source", () => {
    const { at } = rulesOf({ bound });
    expect(at("/etc/resolv.conf")).toBeUndefined();
    expect(at("/run/exec2/a/resolv.conf")?.mode.read).toBe(true);
  });

  test("has no rule if nobody unveils it", () => {
    expect(rulesOf({ bound, plugin: { unveil_defaults: false } }).entries).toEqual([]);
  });
});

describe("the job's mounts", () => {
  const rulesWith = (blocks: readonly MountBlock[], unveil: readonly string[] = []) => {
    const { folders, options, task } = rulesOf({ unveil });
    return unveilRules({ options, task, folders, ...placeMountBlocks(blocks, [], folders) }).entries;
  };

  test("have rules on their sources, which no link leads to, and on folders in memory", () => {
    const rules = rulesWith([
      { source: "alloc/data/conf", target: "/etc/app" },
      { source: "local", target: "/app", readonly: "false" },
      { type: "tmpfs", target: "/var/cache/app", size: "5MB" },
    ]);
    const [mode, sources] = [modeOf("rwxc"), ["mount"]];
    expect(rules.slice(-3)).toEqual([
      {
        ...{ path: `${root}/local`, target: "/app", mode, sources },
        ...{ beneath: `${root}/local`, withoutLinks: true },
      },
      {
        ...{ path: `${root}/alloc/data/conf`, target: "/etc/app", mode: modeOf("rx"), sources },
        ...{ beneath: `${root}/alloc`, withoutLinks: true },
      },
      { path: "/var/cache/app", mode, sources, ownRoot: true, inMemory: true },
    ]);
  });

  test("replace entries for paths at and below their targets", () => {
    const blocks = [
      { source: "local/services", target: "/etc/services" },
      { type: "tmpfs", target: "/srv", size: "5MB" },
    ];
    const rules = rulesWith(blocks, ["r:/srv/data", "r:/srv-data"]);
    const paths = rules.map(({ path }) => path);
    expect(paths).toContain("/srv-data");
    expect(paths).not.toContain("/srv/data");
    expect(paths).not.toContain("/etc/services");
  });
});

describe("a path below a folder where tasks may create files", () => {
  test("has to stay in the outermost folder of this kind", () => {
    const { at } = rulesOf({ unveil: ["rwc:/srv/data/deep", "rwc:/srv/data", "r:/srv/data/deep/x"] });
    expect(at("/srv/data/deep/x")?.beneath).toBe("/srv/data");
    expect(at("/srv/data/deep")?.beneath).toBe("/srv/data");
    expect(at("/srv/data")?.beneath).toBeUndefined();
  });

  test("may be one of the task's own folders", () => {
    expect(rulesOf({ unveil: [`rx:${root}/alloc/bin`] }).at(`${root}/alloc/bin`)?.beneath).toBe(
      `${root}/alloc`,
    );
  });

  test("is not restricted if the driver itself names it, or if the folder is / or not open to tasks", () => {
    const { entries } = rulesOf({ unveil: ["rwc:/", "rw:/opt", "r:/opt/x"] });
    expect(entries.filter(({ beneath }) => beneath !== undefined)).toEqual([]);
  });
});

describe("volumes and devices", () => {
  const volume = (source: string, target: string, readOnly = false) =>
    ({ source, target, readOnly, propagation: "private" }) as const;
  const device = { source: "/dev/fb0", target: "/dev/fb0", read: true, write: false };
  const withMounts = (mounts: readonly ReturnType<typeof volume>[], unveil?: readonly string[]) => {
    const { folders, options, task } = rulesOf({ ...(unveil ? { unveil } : {}) });
    const placed = placeMounts({ mounts, devices: [device] }, folders);
    return unveilRules({ options, task, folders, mounts: placed }).entries;
  };

  test("have rules of their own, on their sources", () => {
    const rules = withMounts([volume("/srv/a", "/data"), volume("/srv/b", "/mnt", true)]);
    expect(rules.slice(-3).map(({ target, ...rule }) => [formatUnveil(rule), target, rule.sources])).toEqual([
      ["rwxc:/srv/a", "/data", ["volume"]],
      ["r:/dev/fb0", undefined, ["device"]],
      ["rx:/srv/b", "/mnt", ["volume"]],
    ]);
  });

  test("replace entries for paths below a volume's destination, whose symlinks must not open files of the host", () => {
    const rules = withMounts([volume("/srv/a", "/usr", true)], ["r:/usr/share/doc", "r:/etc/os-release"]);
    expect(rules.filter(({ path }) => path.startsWith("/usr"))).toEqual([]);
    expect(rules.map((rule) => formatUnveil(rule))).toContain("r:/etc/os-release");
  });

  test("are added to entries for the same path", () => {
    const rules = withMounts([volume("/srv", "/srv", true)], ["rw:/srv", "w:/dev/fb0"]);
    expect(rules.map((rule) => formatUnveil(rule)).filter((rule) => /srv|fb0/.test(rule))).toEqual([
      "rw:/srv",
      "w:/dev/fb0",
      "r:/dev/fb0",
      "rx:/srv",
    ]);
  });
});
