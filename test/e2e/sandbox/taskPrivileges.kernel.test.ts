import { readFileSync, readlinkSync, statSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { capabilitySet } from "../../../src/effects/kernel/capabilities.ts";
import { taskLimits } from "../../../src/effects/limits/resourceLimits.ts";
import { type Agent, pidOf, runTask, startTask } from "../../support/agent/agent.ts";
import { type AllocationOptions, type Command, makeAllocation } from "../../support/agent/allocation.ts";
import { execScript } from "../../support/agent/execCall.ts";
import { expectRefusal, startWarmAgent } from "../../support/agent/refusal.ts";
import { procStatus } from "../../support/host/processes.ts";

const none = "0".repeat(16);
const hex = (...names: string[]) => capabilitySet(names).toString(16).padStart(16, "0");
const root = { name: "root", uid: 0, gid: 0 };

/** Allows everything that an operator can allow, except raised limits. */
let agent: Agent;
beforeAll(async () => {
  agent = await startWarmAgent({
    options: {
      allow_root: true,
      allow_caps: ["net_bind_service", "CAP_KILL", "chown"],
      groups_by_task: ["video", "mail", "no-such-*", "-g", "sha*", "9", "44", "2000-2999", "84000-85999"],
      allow_host_ipc: true,
      unveil_by_task: true,
      denied_host_uids: "33",
      denied_host_gids: "8-9,42",
      denied_envvars: ["SECRET_*"],
    },
  });
});

describe("capabilities", () => {
  test("that a task requests are effective in the task and in its programs", async () => {
    const { status } = await sleeping({ cap_add: ["CAP_NET_BIND_SERVICE", "kill"] });
    const both = hex("net_bind_service", "kill");
    expect(status).toMatchObject({
      CapInh: both,
      CapPrm: both,
      CapEff: both,
      CapBnd: both,
      CapAmb: both,
      NoNewPrivs: "1",
    });
  });

  test("net_bind_service lets a task listen below port 1024; without it the kernel refuses that", async () => {
    const listen =
      'use IO::Socket::INET; exit(IO::Socket::INET->new(LocalAddr => "127.0.0.1:913", Listen => 1) ? 0 : 9)';
    const perl = { command: "perl", args: ["-e", listen] };
    // In a separate network namespace, where every port is free.
    const alone = { networkIsolationSpec: { mode: 3, path: "", labels: new Map() } } as const;
    const allowed = makeAllocation().config({ ...perl, cap_add: ["net_bind_service"] }, alone);
    expect(await runTask(agent, allowed)).toMatchObject({ exitCode: 0 });
    expect(await runTask(agent, makeAllocation().config(perl, alone))).toMatchObject({ exitCode: 9 });
  });

  test("of root are those that the client allows, and root's programs can get no others", async () => {
    const { status } = await sleeping({}, { user: root });
    const allowed = hex("net_bind_service", "kill", "chown");
    expect(status).toMatchObject({
      CapInh: none,
      CapPrm: allowed,
      CapEff: allowed,
      CapBnd: allowed,
      CapAmb: none,
    });
  });

  test("that root drops cannot be regained", async () => {
    const { status } = await sleeping({ cap_drop: ["chown"] }, { user: root });
    const left = hex("net_bind_service", "kill");
    expect(status).toMatchObject({ CapPrm: left, CapEff: left, CapBnd: left });
    const bare = await sleeping({ cap_drop: ["all"] }, { user: root });
    expect(bare.status).toMatchObject({ CapPrm: none, CapEff: none, CapBnd: none });
  });

  test("all are refused where the client does not allow all of them", async () => {
    await refused(
      { cap_add: ["all"] },
      /"cap_add" with dac_override, .* but this client allows chown, kill, net_b/,
    );
  });

  test.each(["sys_admin", "CAP_MKNOD"])("%s is refused where the client does not allow it", async (name) => {
    await refused({ cap_add: [name] }, /"cap_add" with .*, but this client allows .*allow_caps/);
  });
});

describe("supplementary groups", () => {
  test("are those that the job names, by name and number, once each", async () => {
    const { status } = await sleeping({ groups: ["video", "2999", "44"] });
    expect(status).toMatchObject({ Groups: "44 2999" });
  });

  test.each([
    ["no-such-group", "USER_UNKNOWN", /"no-such-group" is not a group of this host/],
    ["-g", "USER_UNKNOWN", /"-g" is not a group/],
    ["shadow", "USER_FORBIDDEN", /gid 42 is one that this client denies .*denied_host_gids \(8-9,42\)/],
    ["9", "USER_FORBIDDEN", /gid 9 is one/],
    [
      "audio",
      "USER_FORBIDDEN",
      /group "audio" is none that this client allows.*not in groups_by_task \(video, /,
    ],
    ["70001", "USER_FORBIDDEN", /group "70001" is none that this client allows/],
    ["not-there", "USER_FORBIDDEN", /group "not-there" is none that this client allows/],
    ["84999", "USER_FORBIDDEN", /group "84999" is refused: gid 84999 is in dynamic_user_ids/],
  ])("%s is refused", async (group, code, text) => {
    await refused({ groups: [group] }, text, code);
  });
});

describe("a task is refused for an id that the operator denies", () => {
  test.each([
    ["a uid", { name: "www-data", uid: 33, gid: 33 }, /uid 33 is one that this client denies/],
    ["a primary group", { name: "mail", uid: 8, gid: 8 }, /gid 8 is one that this client denies/],
  ])("%s", async (_what, user, text) => {
    await refused({}, text, "USER_FORBIDDEN", { user });
  });
});

test("variables that the operator denies are removed, and their values appear nowhere", async () => {
  const allocation = makeAllocation();
  const env = { SECRET_KEY: "hunter2-hunter2", OTHER: "kept" };
  await runTask(agent, allocation.config("env", { env }));
  const lines = (await allocation.stdout.text()).split("\n");
  expect(lines).toContain("OTHER=kept");
  expect(lines.filter((line) => line.startsWith("SECRET"))).toEqual([]);
  expect(agent.stderrLines.join("\n")).not.toContain("hunter2");
});

describe("limits of processes", () => {
  test("are the job's", async () => {
    const { pid } = await sleeping({ ulimit: [{ nofile: "64:128", core: "0" }], nice: 7, umask: "077" });
    const limits = readFileSync(`/proc/${pid}/limits`, "utf8");
    expect(limits).toMatch(/Max open files +64 +128 /);
    expect(limits).toMatch(/Max core file size +0 +0 /);
    expect(procStatus(pid).Umask).toBe("0077");
    // proc_pid_stat(5), field 19.
    expect(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ")[16]).toBe("7");
  });

  test("are otherwise the agent's, except that core dumps are disabled", async () => {
    const limits = async (options: Readonly<Record<string, unknown>>) =>
      readFileSync(`/proc/${(await sleeping(options)).pid}/limits`, "utf8");
    expect(await limits({})).toMatch(/Max core file size +0 +0 /);
    expect(await limits({ ulimit: [{ core: "4096" }] })).toMatch(/Max core file size +4096 +4096 /);
    const own = readFileSync("/proc/self/limits", "utf8");
    for (const line of ["Max stack size", "Max locked memory", "Max processes"]) {
      const of = (text: string) => text.split("\n").find((each) => each.startsWith(line));
      expect(of(await limits({}))).toBe(of(own));
    }
  });

  test("hold: a task can neither open more files nor raise the limit", async () => {
    const allocation = makeAllocation();
    const script = "ulimit -n 4096 2>/dev/null || echo not lifted; ulimit -Hn";
    await runTask(
      agent,
      allocation.config({ command: "sh", args: ["-c", script], ulimit: [{ nofile: "64" }] }),
    );
    expect(await allocation.stdout.text()).toBe("not lifted\n64\n");
  });

  test("above the agent's own are refused unless the operator allows them", async () => {
    const files = (limits: ReturnType<typeof taskLimits>) =>
      limits.find(({ resource }) => resource === "RLIMIT_NOFILE")?.hard ?? 0;
    const above = String(files(taskLimits([], { allowRaisedUlimits: false })) + 1);
    await refused(
      { ulimit: [{ nofile: above }] },
      /"ulimit" with nofile up to .*allow_raised_ulimits = true/,
    );
    expect(files(taskLimits([{ nofile: above }], { allowRaisedUlimits: true }))).toBe(Number(above));
  });
});

test("a command in a task has exactly the task's rights and limits", async () => {
  const config = makeAllocation().config({
    command: "sleep",
    args: ["1000"],
    cap_add: ["kill"],
    groups: ["2999"],
    umask: "027",
    nice: 3,
    ulimit: [{ nofile: "64:128" }],
    unveil: ["r:/proc"],
  });
  await startTask(agent, config);
  const { stdout } = await execScript(
    agent,
    config.id,
    "cat /proc/self/status; ulimit -Sn; ulimit -Hn; nice",
  );
  const task = procStatus(await pidOf(agent, config));
  const own = `${stdout}`.replaceAll(/\t+/g, " ");
  for (const field of [
    "Uid",
    "Gid",
    "Groups",
    "Umask",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
  ]) {
    expect(own.replaceAll(/ +\n/g, "\n")).toContain(`${field}: ${task[field]}\n`);
  }
  expect(task).toMatchObject({ CapEff: hex("kill"), Groups: "2999", Umask: "0027" });
  expect(own).toMatch(/\n64\n128\n3\n$/);
});

test.each([
  ["private", false],
  ["host", true],
])("ipc_mode %s: the task is in the host's ipc namespace: %s", async (mode, shared) => {
  const { pid } = await sleeping({ ipc_mode: mode });
  expect(readlinkSync(`/proc/${pid}/ns/ipc`) === readlinkSync("/proc/self/ns/ipc")).toBe(shared);
  expect(readlinkSync(`/proc/${pid}/ns/pid`)).not.toBe(readlinkSync("/proc/self/ns/pid"));
});

test("files that a task makes have the permissions that its umask leaves", async () => {
  const allocation = makeAllocation();
  const command = { command: "sh", args: ["-c", "touch $NOMAD_TASK_DIR/made"], umask: "027" };
  await runTask(agent, allocation.config(command));
  expect(statSync(`${allocation.taskFolder}/local/made`).mode & 0o777).toBe(0o640);
});

async function sleeping(options: Readonly<Record<string, unknown>>, of: AllocationOptions = {}) {
  const config = makeAllocation(of).config({ command: "sleep", args: ["1000"], ...options });
  await startTask(agent, config);
  const pid = await pidOf(agent, config);
  return { pid, status: procStatus(pid) };
}

async function refused(
  options: Readonly<Record<string, unknown>>,
  text: RegExp,
  code = "CONFIG_INVALID",
  of: AllocationOptions = {},
): Promise<void> {
  const command: Command = { command: "true", ...options };
  await expectRefusal(agent, makeAllocation(of).config(command), { code, text, recoverable: false });
}
