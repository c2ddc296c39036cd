/** Real programs under the default paths, and the task's own proc file system. */
import { beforeEach, describe, expect, test } from "vitest";
import { parsePluginOptions } from "../../../src/driver/options/pluginOptions.ts";
import { landlockAbi } from "../../../src/effects/landlock/ruleset.ts";
import { taskFolders } from "../../../src/effects/layout/layout.ts";
import { parseTaskOptions } from "../../../src/effects/parts.ts";
import { type UnveilRule, unveilRules } from "../../../src/effects/unveil/unveilRules.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { type Attempt, outputOf, restricted } from "../../support/launch/restricted.ts";

const abi = landlockAbi();
const own = { ownProc: true };

let root: string;

beforeEach(() => {
  root = temporaryFolder();
});

/** The rules of a task with these `unveil` entries. */
function rules(unveil: readonly string[] = []): readonly UnveilRule[] {
  const options = parsePluginOptions({ unveil_by_task: true });
  const task = parseTaskOptions({ command: "x", unveil }, options);
  const folders = taskFolders({
    NOMAD_TASK_DIR: `${root}/local`,
    NOMAD_ALLOC_DIR: `${root}/alloc`,
    NOMAD_SECRETS_DIR: `${root}/secrets`,
  });
  return unveilRules({ options, task, folders }).entries;
}

const shell = (...scripts: string[]): Attempt[] => scripts.map((script) => ["shell", script] as const);

describe("under the default paths", () => {
  test("ordinary programs run, and files of other users stay closed", async () => {
    const attempts = shell(
      "echo shell",
      "cat /etc/hosts > /dev/null && echo hosts",
      "cat /etc/passwd",
      "cat /etc/shadow",
      "ls /root",
      "ls /home",
      "perl -e 'print \"perl\"'",
      "head -c 4 /dev/urandom | wc -c",
      "cat /proc/meminfo",
      "echo x > /etc/new",
      "echo x > /tmp/exec2-new",
    );
    const outcomes = await restricted({ rules: rules(), abi, attempts }, own);
    const denied = (what: string) => expect.stringMatching(new RegExp(`^exit .*${what}.*Permission denied$`));
    expect(outcomes).toEqual([
      "shell",
      "hosts",
      denied("/etc/passwd"),
      denied("/etc/shadow"),
      denied("/root"),
      denied("/home"),
      "perl",
      "4",
      denied("/proc/meminfo"),
      denied("/etc/new"),
      denied("/tmp/exec2-new"),
    ]);
  });

  test("all processes can read the listed kernel settings, and no others", async () => {
    const attempts = shell(
      "cat /proc/sys/kernel/ngroups_max",
      "cat /proc/sys/vm/overcommit_memory > /dev/null && echo overcommit",
      "cat /proc/sys/kernel/hostname",
    );
    const [ngroups, overcommit, hostname] = await restricted({ rules: rules(), abi, attempts }, own);
    expect([ngroups, overcommit]).toEqual(["65536", "overcommit"]);
    expect(hostname).toContain("Permission denied");
  });

  test("the main process can read its own command line, but its children cannot read another's", async () => {
    const main = await outputOf(
      { rules: rules(), abi, attempts: [], exec: ["/bin/cat", "/proc/self/cmdline"] },
      true,
    );
    expect(main).toBe("/bin/cat\0/proc/self/cmdline\0");
    const [child] = await restricted({ rules: rules(), abi, attempts: shell("cat /proc/self/cmdline") }, own);
    expect(child).toContain("Permission denied");
  });
});

describe("a path of /proc/self that the options name", () => {
  test("is open to every process of the task", async () => {
    const attempts = shell(
      "cat /proc/self/mountinfo > /dev/null && echo child",
      "sh -c 'cat /proc/self/mountinfo > /dev/null; echo grandchild'",
      "cat /proc/self/status > /dev/null && echo status",
    );
    const outcomes = await restricted({ rules: rules(["r:/proc/self/mountinfo"]), abi, attempts }, own);
    expect(outcomes).toEqual(["child", "grandchild", "status"]);
  });

  test("gives no write access, and no access to processes of other namespaces", async () => {
    const attempts: Attempt[] = [
      ["write", "/proc/sys/kernel/hostname"],
      ["write", "/proc/self/oom_score_adj"],
      ...shell("ls -d /proc/[0-9]* | wc -l"),
    ];
    const outcomes = await restricted({ rules: rules(["r:/proc/self/mountinfo"]), abi, attempts }, own);
    expect(outcomes.slice(0, 2)).toEqual(["EACCES", "EACCES"]);
    expect(Number(outcomes[2])).toBeLessThan(8);
  });

  test("can be written by the main process if the mode has w", async () => {
    const attempts: Attempt[] = [
      ["write", "/proc/self/comm"],
      ["write", "/proc/self/oom_score_adj"],
      ...shell("echo x > /proc/self/comm"),
    ];
    const outcomes = await restricted({ rules: rules(["w:/proc/self/comm"]), abi, attempts }, own);
    expect(outcomes.slice(0, 2)).toEqual(["ok", "EACCES"]);
    expect(outcomes[2]).toContain("Permission denied");
  });
});

describe("when the kernel drops its caches", () => {
  const attempts: Attempt[] = [
    ["read", "/proc/sys/kernel/ngroups_max"],
    ["dropCaches", ""],
    ["read", "/proc/sys/kernel/ngroups_max"],
    ["read", "/etc/hosts"],
    ["read", "/proc/self/status"],
  ];

  test("rules in /proc stay as long as init keeps their files open", async () => {
    const outcomes = await restricted({ rules: rules(["r:/proc/self/status"]), abi, attempts }, own);
    expect(outcomes).toEqual(["ok", "ok", "ok", "ok", "ok"]);
  });

  test("rules in /proc are lost if init does not keep their files open, except the one on /proc itself", async () => {
    const precise = { rules: rules(), abi, attempts, forgetful: true };
    expect((await restricted(precise, own)).slice(0, 4)).toEqual(["ok", "ok", "EACCES", "ok"]);
    const whole = { rules: rules(["r:/proc/self/status"]), abi, attempts, forgetful: true };
    expect((await restricted(whole, own)).at(-1)).toBe("ok");
  });
});
