/** Tests that the options of task and client determine the filter of system calls. */
import { rmSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { type SystemCall, systemCallNumber } from "../../../src/effects/kernel/systemCalls.ts";
import { errorOfCall } from "../../../src/grpc/status.ts";
import { stateFolderPaths } from "../../../src/store/folder/stateFolder.ts";
import { type Agent, pidOf, runTask, startAgent, startTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { collect } from "../../support/agent/collectedStream.ts";
import { execScript } from "../../support/agent/execCall.ts";
import { eventsOf } from "../../support/history/eventLog.ts";
import { procStatus } from "../../support/host/processes.ts";
import { programEntry } from "../../support/plugin/pluginEntry.ts";

let agent: Agent;
beforeAll(async () => {
  agent = await startAgent({
    options: {
      allow_caps: ["net_raw"],
      seccomp_profiles: [{ namespaced: ["+@namespace", "-ptrace"] }],
      allow_seccomp: ["namespaced", "keyctl", "@packet"],
    },
  });
});

const number = (call: SystemCall) => systemCallNumber(call, process.arch === "arm64" ? "arm64" : "x64");

/** Prints which of some calls the task may make. The calls are harmless if they are allowed. */
const script = `perl -e '
  my @allowed;
  push @allowed, "unshare" if syscall(${number("unshare")}, 0x10000000) == 0;
  push @allowed, "keyctl" if syscall(${number("keyctl")}, 9999, 0, 0, 0, 0) == -1 && $! != 1;
  push @allowed, "ptrace" if syscall(${number("ptrace")}, 0, 0, 0, 0) == 0;
  push @allowed, "AF_PACKET" if socket(my $socket, 17, 3, 0);
  print "@allowed\\n"'`;

async function allowed(options: object = {}, by = agent): Promise<string[]> {
  const allocation = makeAllocation();
  const config = allocation.config({ command: "sh", args: ["-c", script], ...options });
  expect(await runTask(by, config)).toMatchObject({ exitCode: 0 });
  return (await allocation.stdout.text()).trim().split(" ");
}

describe("a task", () => {
  test("has the default profile's filter, and its history says so", async () => {
    expect(await allowed()).toEqual(["ptrace"]);
    const config = makeAllocation().config({ command: "sleep", args: ["1000"] });
    await startTask(agent, config);
    expect(procStatus(await pidOf(agent, config))).toMatchObject({ Seccomp: "2", Seccomp_filters: "1" });
    const sandboxed = (await eventsOf(agent.stateDir, config.id)).find(({ type }) => type === "sandboxed");
    expect(sandboxed?.data).toMatchObject({
      seccomp: { profile: "default", allow: [], deny: [] },
      plan: expect.arrayContaining([
        expect.stringMatching(/filter system calls: seccomp\(.*the profile default/),
      ]),
    });
  });

  test("may be allowed further calls, and may refuse others", async () => {
    expect(await allowed({ seccomp_allow: ["keyctl"] })).toEqual(["keyctl", "ptrace"]);
    expect(await allowed({ seccomp_deny: ["ptrace"] })).toEqual([""]);
  });

  test("has the profile that it names", async () => {
    expect(await allowed({ seccomp: "namespaced" })).toEqual(["unshare"]);
  });

  test("makes calls that need a capability only if its options name the group, too", async () => {
    expect(await allowed({ cap_add: ["net_raw"] })).toEqual(["ptrace"]);
    expect(await allowed({ cap_add: ["net_raw"], seccomp_allow: ["@packet"] })).toEqual([
      "ptrace",
      "AF_PACKET",
    ]);
    expect(await allowed({ seccomp_allow: ["@packet"] })).toEqual(["ptrace"]);
  });

  test("has no filter if client and job say so", async () => {
    const open = await startAgent({ options: { seccomp: "unconfined" } });
    const config = makeAllocation().config({ command: "sleep", args: ["1000"] });
    await startTask(open, config);
    expect(procStatus(await pidOf(open, config))).toMatchObject({ Seccomp: "0" });
    expect(await allowed({}, open)).toEqual(["unshare", "keyctl", "ptrace"]);
    expect(await allowed({ seccomp: "default" }, open)).toEqual(["ptrace"]);
  });

  test.each([
    [{ seccomp: "unconfined" }, /"seccomp" with unconfined, but this client allows default, namespaced/],
    [
      { seccomp_allow: ["mount"] },
      /"seccomp_allow" with mount, but this client allows keyctl.*allow_seccomp/,
    ],
    [{ seccomp_deny: ["ptrac"] }, /\("ptrac"\) is not a system call.*Did you mean ptrace\?/],
  ])("is refused where the client does not allow it: %j", async (options, text) => {
    const config = makeAllocation().config({ command: "true", ...options });
    const error = errorOfCall(await startTask(agent, config).catch((thrown) => thrown));
    expect(error).toMatchObject({ code: "CONFIG_INVALID", message: expect.stringMatching(text) });
  });
});

test("a kernel without filters is reported, for the node and for each task that runs without a filter", async () => {
  // Makes the kernel look to the plugin as if it had no seccomp filters.
  const script = 'mount -t tmpfs none /proc/sys/kernel/seccomp\nexec "$@"';
  const unable = await startAgent({
    entry: "unshare",
    args: ["--mount", "sh", "-c", script, "sh", process.execPath, programEntry],
  });
  const fingerprint = await collect(unable.driver.fingerprint({})).first(() => true);
  expect(fingerprint.attributes.get("driver.exec2.seccomp")?.value?.value).toBe(false);
  expect(fingerprint.healthDescription).toContain("the kernel has no seccomp filters");
  const config = makeAllocation().config({ command: "sleep", args: ["1000"] });
  await startTask(unable, config);
  expect(procStatus(await pidOf(unable, config))).toMatchObject({ Seccomp: "0" });
  const sandboxed = (await eventsOf(unable.stateDir, config.id)).find(({ type }) => type === "sandboxed");
  expect(sandboxed?.data).toMatchObject({
    seccomp: null,
    limits: expect.arrayContaining([
      { file: "seccomp", value: "filter", applied: false, reason: "the kernel has no seccomp filters" },
    ]),
  });
  expect(`${(await execScript(unable, config.id, "echo runs")).stdout}`).toBe("runs\n");
});

describe("a command that is run in a task", () => {
  test("has exactly the task's filter, also after the plugin was restarted with other options", async () => {
    const options = {
      seccomp: "strict",
      seccomp_profiles: [{ strict: ["-ptrace", "+@namespace"] }],
    };
    const first = await startAgent({ options });
    const config = makeAllocation().config({ command: "sleep", args: ["1000"] });
    const handle = await startTask(first, config);
    expect(`${(await execScript(first, config.id, script)).stdout}`).toBe("unshare\n");
    await first.crash();
    const next = await startAgent({ stateDir: first.stateDir, options: { seccomp: "unconfined" } });
    await next.driver.recoverTask({ taskId: "", handle });
    expect(`${(await execScript(next, config.id, script)).stdout}`).toBe("unshare\n");
    const terminal = await execScript(next, config.id, script, { tty: true });
    expect(`${terminal.stdout}`.trim()).toBe("unshare");
    const checked = await next.driver.execTask({
      taskId: config.id,
      command: ["sh", "-c", script],
      timeout: { seconds: 20, nanos: 0 },
    });
    expect(`${checked.stdout}`).toBe("unshare\n");
  });

  test("has the filter of the task's options if the event log is lost", async () => {
    const options = { seccomp_profiles: [{ strict: ["-ptrace", "+@namespace"] }], allow_seccomp: ["strict"] };
    const first = await startAgent({ options });
    const config = makeAllocation().config({ command: "sleep", args: ["1000"], seccomp: "strict" });
    const handle = await startTask(first, config);
    /** Recovers the task only by its handle, and runs a command in it. */
    const allowedAfter = async (before: Agent, given: Readonly<Record<string, unknown>>) => {
      await before.crash();
      rmSync(stateFolderPaths(first.stateDir).events, { recursive: true });
      const next = await startAgent({ stateDir: first.stateDir, options: given });
      await next.driver.recoverTask({ taskId: "", handle });
      return { next, allowed: `${(await execScript(next, config.id, script)).stdout}` };
    };
    const known = await allowedAfter(first, options);
    expect(known.allowed).toBe("unshare\n");
    // If the client no longer has the profile, the command gets the default profile.
    expect((await allowedAfter(known.next, {})).allowed).toBe("ptrace\n");
  });

  test("has no filter if the task has none", async () => {
    const first = await startAgent({ options: { seccomp: "unconfined" } });
    const config = makeAllocation().config({ command: "sleep", args: ["1000"] });
    const handle = await startTask(first, config);
    await first.crash();
    const next = await startAgent({ stateDir: first.stateDir });
    await next.driver.recoverTask({ taskId: "", handle });
    expect(`${(await execScript(next, config.id, script)).stdout}`).toBe("unshare keyctl ptrace\n");
  });
});
