/** Depending on its kind, a path gets a rule, a rule in the launch plan, no rule, or an error. */
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { mkfifo, pipe2 } from "../../../src/effects/kernel/libc.ts";
import type { OpenedPath } from "../../../src/effects/landlock/rules.ts";
import { checkSignalScope, landlockAbi } from "../../../src/effects/landlock/ruleset.ts";
import { parseUnveil, type UnveilSource } from "../../../src/effects/unveil/unveil.ts";
import type { UnveilRule } from "../../../src/effects/unveil/unveilRules.ts";
import { buildRuleset, type Ruleset } from "../../support/buildRuleset.ts";
import { errorOf } from "../../support/errors.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { restricted } from "../../support/launch/restricted.ts";

const abi = landlockAbi();
const readFileRight = 0x4;
const readFolderRights = 0xc;
const writeRights = 0xc002;

let base: string;

beforeEach(() => {
  base = temporaryFolder();
  mkdirSync(`${base}/folder`);
  writeFileSync(`${base}/file`, "content");
});

function rule(entry: string, source: UnveilSource = "task", beneath?: string): UnveilRule {
  const { path, mode } = parseUnveil(entry, source);
  return { path, mode, sources: [source], ...(beneath === undefined ? {} : { beneath }) };
}

function build(rules: readonly UnveilRule[], extra: readonly OpenedPath[] = []): Ruleset {
  const ruleset = buildRuleset(rules, extra, abi);
  onTestFinished(() => closeSync(ruleset.fd));
  return ruleset;
}

const openDescriptors = (): readonly string[] => readdirSync("/proc/self/fd");

describe("a path of the host", () => {
  test("is reported with its kind and the effective mode", () => {
    const { applied, skipped, insideNamespace } = build([
      rule(`rwxc:${base}/folder`, "plugin"),
      { ...rule(`rc:${base}/file`), sources: ["default", "task"] },
    ]);
    expect(applied).toEqual([
      { path: `${base}/folder`, mode: "rwxc", kind: "folder", source: "plugin" },
      { path: `${base}/file`, mode: "r", kind: "file", source: "default, task" },
    ]);
    expect([skipped, insideNamespace]).toEqual([[], []]);
  });

  test("gets no rule if the mode has no effect on it", () => {
    const { applied, skipped } = build([rule(`c:${base}/file`)]);
    expect(applied).toEqual([]);
    expect(skipped).toEqual([{ path: `${base}/file`, reason: "c grants nothing on a file" }]);
  });

  test("that no link may lead to is refused behind one, wherever it leads", () => {
    mkdirSync(`${base}/folder/real`);
    writeFileSync(`${base}/folder/real/file`, "content");
    symlinkSync("real", `${base}/folder/inside`);
    symlinkSync("..", `${base}/folder/outside`);
    symlinkSync("/proc/self/fd/1", `${base}/folder/stream`);
    const own = (path: string): UnveilRule => ({
      ...rule(`rw:${base}/folder${path}`, "mount", `${base}/folder`),
      ...{ target: "/srv/own", withoutLinks: true },
    });
    const { applied } = build([own(""), own("/real/file")]);
    expect(applied.map(({ path, mode, kind }) => [path, mode, kind])).toEqual([
      ["/srv/own", "rw", "folder"],
      ["/srv/own", "rw", "file"],
    ]);
    for (const path of ["/inside", "/inside/file", "/outside/file", "/stream"]) {
      expect(errorOf(() => build([own(path)])).code, path).toBe("UNVEIL_PATH_UNSAFE");
    }
  });

  test("gets its rule on a symlink's target, even if the symlink changes later", async () => {
    symlinkSync(`${base}/file`, `${base}/link`);
    writeFileSync(`${base}/other`, "content");
    const rules = [rule(`r:${base}/link`)];
    const attempts = ["link", "file", "other"].map((name) => ["read", `${base}/${name}`] as const);
    expect(await restricted({ rules, abi, attempts })).toEqual(["ok", "ok", "EACCES"]);
  });
});

describe("a path that does not exist", () => {
  test.each<UnveilSource>(["default", "folder"])("is skipped for %s", (source) => {
    const { applied, skipped } = build([rule(`r:${base}/none`, source), rule(`r:${base}/file/x`, source)]);
    expect(applied).toEqual([]);
    expect(skipped).toEqual([
      { path: `${base}/none`, reason: "not found (ENOENT)" },
      { path: `${base}/file/x`, reason: "not found (ENOTDIR)" },
    ]);
  });

  test.each<UnveilSource>(["plugin", "task"])("is an error for the %s, which may try again", (source) => {
    const error = errorOf(() => buildRuleset([rule(`r:${base}/none`, source)], [], abi));
    expect(error.code).toBe("UNVEIL_PATH_MISSING");
    expect(error.recoverable).toBe(true);
    expect(error.failed).toEqual({ call: "openat2", path: `${base}/none`, errno: "ENOENT" });
    expect(error.message).toContain(`${source}'s config`);
  });

  test("is an error if the options name a default path", () => {
    const both: UnveilRule = { ...rule(`r:${base}/none`), sources: ["default", "plugin"] };
    expect(errorOf(() => buildRuleset([both], [], abi)).code).toBe("UNVEIL_PATH_MISSING");
  });
});

describe("a path below a folder where tasks may create files", () => {
  test("must not lead out of it", () => {
    symlinkSync("/etc", `${base}/folder/out`);
    symlinkSync("../file", `${base}/folder/up`);
    for (const name of ["out", "out/hosts", "up"]) {
      const error = errorOf(() =>
        buildRuleset([rule(`r:${base}/folder/${name}`, "task", `${base}/folder`)], [], abi),
      );
      expect(error.code).toBe("UNVEIL_PATH_UNSAFE");
      expect(error.message).toContain(`${base}/folder/${name}`);
    }
  });

  test("may use links that stay inside", () => {
    symlinkSync("folder", `${base}/link`);
    const { applied } = build([rule(`r:${base}/link`, "task", base)]);
    expect(applied).toMatchObject([{ path: `${base}/link`, kind: "folder" }]);
  });

  test("is missing if it or the folder itself does not exist", () => {
    for (const beneath of [base, `${base}/none`]) {
      const error = errorOf(() => buildRuleset([rule(`r:${base}/none/x`, "task", beneath)], [], abi));
      expect(error.code).toBe("UNVEIL_PATH_MISSING");
    }
  });
});

describe("an open file", () => {
  const mode = parseUnveil("rw:/x", "log").mode;

  test("gets a rule, even if its path now leads elsewhere", () => {
    mkfifo(`${base}/fifo`, 0o600);
    const fd = openSync(`${base}/fifo`, "r+");
    onTestFinished(() => closeSync(fd));
    const { applied } = build([], [{ fd, mode, path: "stdout" }]);
    expect(applied).toEqual([{ path: "stdout", mode: "rw", kind: "file", source: "log" }]);
  });

  test("needs no rule if it is an anonymous pipe", () => {
    const { skipped } = build([], [{ fd: anonymousPipe(), mode, path: "stdout" }]);
    expect(skipped).toMatchObject([{ path: "stdout" }]);
  });
});

describe("a path in /proc", () => {
  test("is for init if it is the same for every process", () => {
    const { applied, insideNamespace } = build([
      rule("r:/proc/sys/kernel/ngroups_max", "default"),
      rule("r:/proc/cpuinfo"),
      rule("r:/proc"),
    ]);
    expect(insideNamespace).toEqual([
      { path: "/proc/sys/kernel/ngroups_max", access: readFileRight, addedBy: "init", required: false },
      { path: "/proc/cpuinfo", access: readFileRight, addedBy: "init", required: true },
      { path: "/proc", access: readFolderRights, addedBy: "init", required: true },
    ]);
    expect(applied).toHaveLength(3);
  });

  test("is for the main process if the defaults name a file of each process", () => {
    const { insideNamespace } = build([
      rule("r:/proc/self/cmdline", "default"),
      rule("r:/dev/fd", "default"),
    ]);
    expect(insideNamespace).toEqual([
      { path: "/proc/self/cmdline", access: readFileRight, addedBy: "task", required: false },
      { path: "/proc/self/fd", access: readFolderRights, addedBy: "task", required: false },
    ]);
  });

  test.each(["/proc/self/mountinfo", "/proc/thread-self/status", "/proc/self", "/proc/mounts"])(
    "gives read access to all of /proc if the options name %s",
    (path) => {
      const { applied, insideNamespace } = build([rule(`r:${path}`)]);
      expect(insideNamespace).toEqual([
        { path: "/proc", access: readFolderRights, addedBy: "init", required: true },
      ]);
      expect(applied).toEqual([{ path: "/proc", mode: "r", kind: "folder", source: "task" }]);
    },
  );

  test("is found behind a symlink", () => {
    symlinkSync("/proc/self/mounts", `${base}/mtab`);
    expect(build([rule(`r:${base}/mtab`)]).insideNamespace).toMatchObject([
      { path: "/proc", addedBy: "init" },
    ]);
  });

  test("is never opened for writing as a whole", () => {
    expect(build([rule("rw:/proc/self/oom_score_adj")]).insideNamespace).toEqual([
      { path: "/proc", access: readFolderRights, addedBy: "init", required: true },
      { path: "/proc/self/oom_score_adj", access: writeRights, addedBy: "task", required: true },
    ]);
  });

  test("is missing like any other path", () => {
    expect(errorOf(() => buildRuleset([rule("r:/proc/none")], [], abi)).code).toBe("UNVEIL_PATH_MISSING");
  });
});

test("a standard stream is for the main process, because here it would be the plugin's", () => {
  symlinkSync("/dev/stderr", `${base}/log`);
  const { insideNamespace } = build([rule("rw:/dev/stdout", "default"), rule(`w:${base}/log`)]);
  expect(insideNamespace).toEqual([
    { path: "/dev/stdout", stream: 1, access: writeRights | readFileRight, addedBy: "task", required: false },
    { path: `${base}/log`, stream: 2, access: writeRights, addedBy: "task", required: true },
  ]);
});

describe("descriptors", () => {
  test("are closed, all but the ruleset's, which is close-on-exec", () => {
    build([]);
    const before = openDescriptors();
    const rules = [rule(`r:${base}`), rule(`r:${base}/file`, "task", base), rule("r:/proc/self/status")];
    const { fd } = build([...rules, rule(`r:${base}/none`, "default")]);
    expect(openDescriptors().length).toBe(before.length + 1);
    expect(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8")).toMatch(/flags:\s+0?2\d{6}\b/);
  });

  test("are closed after a failure", () => {
    build([]);
    const before = openDescriptors();
    for (const failing of [rule(`r:${base}/none`), rule("r:/proc/none")]) {
      errorOf(() => buildRuleset([rule(`r:${base}`), failing], [], abi));
    }
    expect(openDescriptors()).toEqual(before);
  });
});

test("without Landlock there is an error, and no ruleset", () => {
  const error = errorOf(() => buildRuleset([], [], 0));
  expect(error.code).toBe("LANDLOCK_UNAVAILABLE");
  expect(error.hint).toContain("lsm=");
});

test("the host's pid namespace is refused if Landlock cannot restrict signals", () => {
  expect(() => checkSignalScope(6)).not.toThrow();
  const error = errorOf(() => checkSignalScope(5));
  expect(error.code).toBe("LANDLOCK_UNAVAILABLE");
  expect(error.hint).toContain("Linux 6.12");
});

function anonymousPipe(): number {
  const { read, write } = pipe2();
  onTestFinished(() => [read, write].forEach(closeSync));
  return write;
}
