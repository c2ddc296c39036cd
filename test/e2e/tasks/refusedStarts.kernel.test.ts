import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { beforeAll, describe, test } from "vitest";
import type { TaskConfig } from "../../../src/grpc/generated/nomad/driver.ts";
import type { Agent } from "../../support/agent/agent.ts";
import { type Allocation, makeAllocation } from "../../support/agent/allocation.ts";
import { expectRefusal, startWarmAgent } from "../../support/agent/refusal.ts";

let agent: Agent;
beforeAll(async () => {
  agent = await startWarmAgent({ options: { unveil_by_task: true } });
});

type Prepare = (allocation: Allocation) => TaskConfig;

describe("a start fails, says why, and leaves nothing", () => {
  test.each<[string, string, RegExp, Prepare]>([
    [
      "a command that does not exist",
      "COMMAND_NOT_FOUND",
      /"no-such-command" not found: looked for .*\/usr\/bin\/no-such-command/,
      (allocation) => allocation.config({ command: "no-such-command" }),
    ],
    [
      "a command without an execute bit",
      "COMMAND_NOT_EXECUTABLE",
      /not a regular file with an execute bit/,
      (allocation) => allocation.config({ command: makeProgram(allocation, "local/plain", 0o644) }),
    ],
    [
      "a command that is not unveiled for execution",
      "LAUNCH_FAILED",
      /execve .*\/main\/\.\.\/program: ENOENT/,
      (allocation) => allocation.config({ command: makeProgram(allocation, "../program") }),
    ],
    [
      "a command that is not a program",
      "LAUNCH_FAILED",
      /execve .*local\/program: ENOEXEC/,
      (allocation) => allocation.config({ command: makeProgram(allocation, "local/program", 0o755, "\x7f") }),
    ],
    [
      "a script whose interpreter is missing",
      "LAUNCH_FAILED",
      /execve .*local\/program: ENOENT/,
      (allocation) =>
        allocation.config({ command: makeProgram(allocation, "local/program", 0o755, "#!/no/such\n") }),
    ],
    [
      "a work_dir that is missing",
      "WORK_DIR_INVALID",
      /"local\/missing" is not a folder/,
      (allocation) => allocation.config({ command: "true", work_dir: "local/missing" }),
    ],
    [
      "a work_dir that the user may not enter",
      "LAUNCH_FAILED",
      /fchdir .*local\/private: EACCES/,
      (allocation) => {
        mkdirSync(`${allocation.taskFolder}/local/private`, { mode: 0o700 });
        return allocation.config({ command: "true", work_dir: "local/private" });
      },
    ],
    [
      "a cgroup that is missing",
      "CGROUP_MISSING",
      /cgroup does not exist \(statfs .*missing\.scope: ENOENT\)/,
      (allocation) =>
        allocation.config("true", {
          resources: allocation.resources(`${allocation.cgroup.path}-missing.scope`),
        }),
    ],
    [
      "a folder that is not a cgroup",
      "CGROUP_MISSING",
      /not on a cgroup v2 file system/,
      (allocation) => allocation.config("true", { resources: allocation.resources(allocation.folder) }),
    ],
    ["an unknown user", "USER_UNKNOWN", /"no-such-user" is not a user/, asUser("no-such-user")],
    ["a user by number", "USER_UNKNOWN", /by name, not by number/, asUser("65534")],
    ["root", "USER_FORBIDDEN", /"root" is root \(uid 0\)/, asUser("root")],
    ["nomad-0", "USER_FORBIDDEN", /nomad-0 is refused/, asUser("nomad-0")],
    ["nomad-00", "USER_FORBIDDEN", /nomad-00 is refused/, asUser("nomad-00")],
    ["nomad-4294967295", "USER_FORBIDDEN", /nomad-4294967295 is refused/, asUser("nomad-4294967295")],
    ["nomad-4294967296", "USER_FORBIDDEN", /nomad-4294967296 is refused/, asUser("nomad-4294967296")],
    ["another account's uid", "USER_FORBIDDEN", /its number is not in 80000-89999/, asUser("nomad-65534")],
    [
      "a network namespace that is missing",
      "NETWORK_NAMESPACE_INVALID",
      /does not exist \(statfs \/var\/run\/netns\/exec2-missing: ENOENT\)/,
      inNetwork(1, "/var/run/netns/exec2-missing"),
    ],
    [
      "a network namespace that is a plain file",
      "NETWORK_NAMESPACE_INVALID",
      /\/etc\/hosts is not a network namespace/,
      inNetwork(1, "/etc/hosts"),
    ],
    ["a namespace of another kind", "LAUNCH_FAILED", /setns .*: EINVAL/, inNetwork(1, "/proc/self/ns/uts")],
    [
      "a group network without a namespace",
      "NETWORK_NAMESPACE_INVALID",
      /names no network/,
      inNetwork(1, ""),
    ],
    ...["NOMAD_TASK_DIR", "NOMAD_ALLOC_DIR", "NOMAD_SECRETS_DIR"].map(
      (variable): [string, string, RegExp, Prepare] => [
        `${variable}=/etc/ssl`,
        "CONFIG_INVALID",
        new RegExp(`${variable} .*is not the task's own folder`),
        (allocation) => allocation.config("true", { env: { [variable]: "/etc/ssl" } }),
      ],
    ),
    [
      "NOMAD_TASK_DIR=/etc",
      "CONFIG_INVALID",
      /NOMAD_TASK_DIR is not a plain absolute path/,
      (allocation) => allocation.config("true", { env: { NOMAD_TASK_DIR: "/etc" } }),
    ],
    [
      "an unveiled path beyond a symlink that a task has made",
      "UNVEIL_PATH_UNSAFE",
      /local\/link/,
      (allocation) => {
        const link = `${allocation.taskFolder}/local/link`;
        symlinkSync("/etc", link);
        return allocation.config({ command: "true", unveil: [`r:${link}`] });
      },
    ],
    [
      "a DNS server that would be more than one word",
      "CONFIG_INVALID",
      /is not valid in a resolv\.conf/,
      (allocation) =>
        allocation.config("true", {
          dns: { servers: ["192.0.2.1\nnameserver x"], searches: [], options: [] },
        }),
    ],
  ])("with %s", async (_what, code, text, prepare) => {
    await expectRefusal(agent, prepare(makeAllocation()), { code, text, recoverable: false });
  });
});

test("a start fails recoverably because an unveiled path does not exist", async () => {
  const config = makeAllocation().config({ command: "true", unveil: ["r:/no/such/path"] });
  const text = /\/no\/such\/path/;
  await expectRefusal(agent, config, { code: "UNVEIL_PATH_MISSING", text, recoverable: true });
});

function asUser(user: string): Prepare {
  return (allocation) => allocation.config("true", { user });
}

function inNetwork(mode: 0 | 1 | 3, path: string): Prepare {
  return (allocation) =>
    allocation.config("true", { networkIsolationSpec: { mode, path, labels: new Map() } });
}

/** A program in or beside the task's folder. */
function makeProgram(allocation: Allocation, name: string, mode = 0o755, content = "#!/bin/sh\n"): string {
  const path = `${allocation.taskFolder}/${name}`;
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}
