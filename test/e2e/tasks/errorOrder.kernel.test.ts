/** Which error a start reports if several things are wrong. */
import { rmSync, symlinkSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { type Agent, startTask } from "../../support/agent/agent.ts";
import { type Allocation, type Differing, makeAllocation } from "../../support/agent/allocation.ts";
import { startWarmAgent } from "../../support/agent/refusal.ts";
import { volumeMount } from "../../support/agent/requests.ts";
import { prepareStart } from "../../support/agent/taskClient.ts";

/** What a fault changes in an otherwise good request. */
interface Fault {
  readonly options?: Readonly<Record<string, unknown>>;
  readonly differing?: (allocation: Allocation) => Differing;
  /** What it changes on the host. */
  readonly onHost?: (allocation: Allocation) => void;
}

/** Each fault with its error, in the order in which a start finds them. */
const faults: readonly (readonly [text: RegExp, Fault])[] = [
  [/option "nice"/, { options: { nice: 99 } }],
  [/option "pid_mode", which this client does not allow/, { options: { pid_mode: "host" } }],
  [/contradicts itself/, { options: { cap_add: ["net_raw"], cap_drop: ["net_raw"] } }],
  [/option "seccomp_allow"/, { options: { seccomp_allow: ["mount"] } }],
  [/option "bind_tcp" with 81/, { options: { bind_tcp: [81] } }],
  [/"no-such-user" is not a user/, { differing: () => ({ user: "no-such-user" }) }],
  [/"no-such-group"/, { options: { groups: ["no-such-group"] } }],
  [/SYS_ADMIN|sys_admin/, { options: { cap_add: ["sys_admin"] } }],
  [/option "ulimit" with nofile/, { options: { ulimit: [{ nofile: "1073741816" }] } }],
  [/NOMAD_TASK_DIR is not a plain absolute path/, { differing: () => ({ env: { NOMAD_TASK_DIR: "/etc" } }) }],
  [/mount destination "\/proc\/x"/, { differing: () => ({ mounts: [volumeMount("/srv", "/proc/x")] }) }],
  [/"local\/missing" is not a folder/, { options: { work_dir: "local/missing" } }],
  [/"no-such-command" not found/, { options: { command: "no-such-command" } }],
  [
    /cgroup does not exist/,
    {
      differing: (allocation) => ({
        resources: allocation.resources(`${allocation.cgroup.path}-missing.scope`),
      }),
    },
  ],
  [
    /NOMAD_ALLOC_DIR .*is not the task's own folder/,
    { differing: () => ({ env: { NOMAD_ALLOC_DIR: "/etc/ssl" } }) },
  ],
  [
    /network namespace .*does not exist/,
    {
      differing: () => ({
        networkIsolationSpec: { mode: 1, path: "/var/run/netns/exec2-missing", labels: new Map() },
      }),
    },
  ],
  [
    /log pipe .*is unsafe/,
    {
      onHost: ({ stdout }) => {
        rmSync(stdout.path);
        symlinkSync("/etc/hosts", stdout.path);
      },
    },
  ],
  [
    /is not valid in a resolv\.conf/,
    { differing: () => ({ dns: { servers: ["192.0.2.1\nnameserver x"], searches: [], options: [] } }) },
  ],
  [/\/no\/such\/path/, { options: { unveil: ["r:/no/such/path"] } }],
  [
    /"a b" cannot be the name of a host/,
    {
      differing: () => ({
        networkIsolationSpec: {
          ...{ mode: 1, path: "/proc/self/ns/net", labels: new Map() },
          hostsConfig: { hostname: "a b", address: "192.0.2.1" },
        },
      }),
    },
  ],
];

let agent: Agent;
beforeAll(async () => {
  agent = await startWarmAgent({ options: { unveil_by_task: true, groups_by_task: ["*"], bind_tcp: [80] } });
});

test.each(faults.map(([text], index) => [text, index] as const))(
  "of this fault and all that follow it, a start reports this one: %s",
  async (text, index) => {
    const wrong = faults.slice(index).map(([, fault]) => fault);
    const allocation = makeAllocation();
    // If two faults set the same option, the earlier one counts.
    const options = Object.assign({}, ...wrong.toReversed().map((fault) => fault.options));
    const changes = wrong.toReversed().map(({ differing }) => differing?.(allocation) ?? {});
    const env = Object.assign({}, ...changes.map((each) => each.env));
    const config = allocation.config(
      { command: "true", ...options },
      { ...Object.assign({}, ...changes), env },
    );
    // Creates the log pipes.
    await prepareStart(agent.driver, config);
    for (const { onHost } of wrong) onHost?.(allocation);
    await expect(startTask(agent, config)).rejects.toThrow(text);
  },
);
