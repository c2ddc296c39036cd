/**
 * The options of the `plugin "nomad-driver-exec2" { config { … } }` block. One
 * schema defines their types, checks, hclspec and documentation. In HCL their
 * names have underscores: `unveil_defaults`. Pure.
 */
import { z } from "zod";
import { seccompProblem } from "../seccomp/profileOptions.ts";
import { defaultStateDir } from "./defaultStateDir.ts";
import {
  absolutePath,
  capabilityName,
  flag,
  historyBlocks,
  idRanges,
  list,
  localAddress,
  oneOf,
  pidsLimit,
  ports,
  sampleInterval,
  seccompProfileBlocks,
  swapLimit,
  text,
  unveilEntry,
} from "./fields.ts";
import { decodeOptions, hclSpecOf, InvalidOptions } from "./hclOptions.ts";

export const pluginSchema = z.object({
  unveilDefaults: flag().default(true).meta({
    description: "unveil the [default paths](#default-paths) and the task's own folders",
    example: false,
  }),
  unveilPaths: list(unveilEntry())
    .default([])
    .meta({
      description: "further paths for all tasks ([unveil](#unveil))",
      example: ["rx:/opt/bin", "r:/srv/certs"],
    }),
  unveilByTask: flag().default(false).meta({
    description: "whether jobs may use `unveil`",
    example: true,
  }),
  privateTmp: flag().default(true).meta({
    description:
      "whether a task's `/tmp` is its own `tmp` folder. If an entry unveils `/tmp` or a path below it, the task sees the host's `/tmp`",
    example: false,
  }),
  root: oneOf(["private", "host"]).default("private").meta({
    description: "what tasks see at `/`: only unveiled paths, or the host's tree ([root](#root))",
    example: "host",
  }),
  allowHostRoot: flag().default(false).meta({
    description: 'whether jobs may use `root = "host"`',
    example: true,
  }),
  identityFiles: flag().default(false).meta({
    description: "whether tasks have their own `/etc/passwd` and `/etc/group` by default ([root](#root))",
    example: true,
  }),
  writableLogs: flag().default(false).meta({
    description: "whether tasks may write to `alloc/logs` ([log files](#log-files))",
    example: true,
  }),
  allowRoot: flag().default(false).meta({
    description:
      "whether tasks may run as the host's root, with the capabilities of `allow_caps` ([users](#users))",
    example: true,
  }),
  allowCaps: list(capabilityName())
    .default(["net_bind_service"])
    .meta({
      description:
        "the capabilities that tasks may get, by `cap_add` or as root: names with or without `CAP_`, in any case, or `all`. Capabilities beyond the default can lead out of the sandbox ([capabilities](#capabilities))",
      example: ["net_bind_service", "net_raw"],
    }),
  seccomp: text().default("default").meta({
    description:
      "the profile of [system calls](#system-calls) for tasks that do not name one: `default`, `unconfined`, or one of `seccomp_profiles`",
    example: "offline",
  }),
  seccompProfiles: seccompProfileBlocks()
    .default([])
    .meta({
      description:
        "the operator's own profiles. Each lists its differences from the default profile, which are calls that it allows (`+`) or refuses (`-`): names of calls, or `@` and the name of a group",
      example: [{ offline: ["-socket", "-ptrace"], browser: ["+@namespace", "+chroot"] }],
    }),
  allowSeccomp: list(text())
    .default([])
    .meta({
      description: "what jobs may use in addition to `seccomp`: profiles, calls and groups, or `all`",
      example: ["browser", "@io_uring"],
    }),
  groupsByTask: flag().default(false).meta({
    description: "whether jobs may use `groups`",
    example: true,
  }),
  dynamicUserIds: idRanges().default("80000-89999").meta({
    description:
      "ids of dynamic users (`nomad-<n>`), as in the client's `users` block (`dynamic_user_min` to `dynamic_user_max`). Other ids are refused. So are ids that the host's users, groups, name services, `/etc/subuid` or `/etc/subgid` have",
    example: "200000-209999",
  }),
  deniedHostUids: idRanges().default("").meta({
    description: "uids that no task may have: single ids and ranges",
    example: "0,100-999",
  }),
  deniedHostGids: idRanges().default("").meta({
    description: "gids that no task may have, primary or supplementary",
    example: "0,27,42",
  }),
  deniedEnvvars: list(text().min(1, "must not be empty"))
    .default([])
    .meta({
      description: "variables that are removed from every task's environment; `*` matches any characters",
      example: ["AWS_*", "*_TOKEN"],
    }),
  allowHostIpc: flag().default(false).meta({
    description: 'whether jobs may use `ipc_mode = "host"`',
    example: true,
  }),
  allowHostPid: flag().default(false).meta({
    description: 'whether jobs may use `pid_mode = "host"`',
    example: true,
  }),
  allowRaisedUlimits: flag().default(false).meta({
    description: "whether `ulimit` may exceed the agent's own limits",
    example: true,
  }),
  // Small hosts have a kernel.pid_max of 32768. Seven tasks at this limit still leave pids for the host.
  pidsLimit: pidsLimit().default(4_096).meta({
    description:
      "maximum number of processes and threads of a task, including its init: 2 to 4194304, which means no limit. Jobs may set less",
    example: 500,
  }),
  swapLimit: swapLimit().default(0).meta({
    description: "maximum MiB of swap in addition to a task's memory; -1 means no limit. Jobs may set less",
    example: 256,
  }),
  connectTcp: ports(1)
    .optional()
    .meta({
      description:
        "[TCP ports](#ports) that tasks may connect to, 1 to 65535; all by default. Jobs may set fewer",
      example: [53, 443],
    }),
  bindTcp: ports(0)
    .optional()
    .meta({
      description: "TCP ports that tasks may bind, 0 to 65535, where 0 means any free port; all by default",
      example: [0, 8080],
    }),
  connectUdp: ports(1)
    .optional()
    .meta({
      description: "UDP ports that tasks may send to, 1 to 65535; all by default. Needs Linux 7.2",
      example: [53, 123],
    }),
  bindUdp: ports(0)
    .optional()
    .meta({
      description:
        "UDP ports that tasks may bind, 0 to 65535, where 0 means any free port. Sending also binds a free port. All by default. Needs Linux 7.2",
      example: [0],
    }),
  denials: oneOf(["auto", "on", "off"]).default("auto").meta({
    description:
      "whether denials of the sandbox are recorded ([denials](#denials)). `auto`: if the host's audit is on. `on`: turns the host's audit on. `off`: turns it off again",
    example: "on",
  }),
  history: historyBlocks()
    .default([])
    .meta({
      description:
        "bounds of the [history](#history) of ended tasks: `keep`, by default `168h`; `max_size_mb`, MiB of the event log, by default `1024`",
      example: [{ keep: "720h", max_size_mb: "4096" }],
    }),
  usageInterval: sampleInterval().default("1m").meta({
    description:
      "maximum time between two [samples](observing.md#what-a-task-used) of a running task's usage, 1s to 24h; `0` turns sampling off",
    example: "5m",
  }),
  metrics: localAddress().default("").meta({
    description:
      "the address at which the plugin serves metrics for [Prometheus](observing.md#prometheus): a loopback address with a port, or the path of a unix socket. By default it serves none",
    example: "127.0.0.1:9464",
  }),
  traces: flag().default(false).meta({
    description:
      "whether the plugin sends a [trace](observing.md#traces) of each ended task to an OpenTelemetry collector. The agent's variables `OTEL_*` configure it",
    example: true,
  }),
  stateDir: absolutePath().default(defaultStateDir).meta({
    description:
      "the folder of the event log and the files of runs. Only root may have access (0700). It is created if its parent exists. Each agent of a host needs its own ([recovery](recovery.md#a-state-folder-that-cannot-be-used))",
    example: "/srv/nomad-driver-exec2",
  }),
});

export type PluginOptions = Readonly<z.output<typeof pluginSchema>>;

export type DenialMode = PluginOptions["denials"];

export const pluginOptionsSpec = hclSpecOf(pluginSchema);

/**
 * @param raw the decoded msgpack map of SetConfig
 * @throws DriverError `CONFIG_INVALID`
 */
export function parsePluginOptions(raw: unknown): PluginOptions {
  const options = decodeOptions("plugin", pluginSchema, raw);
  const problem = seccompProblem(options);
  if (problem === undefined) return options;
  throw new InvalidOptions("plugin", [problem]);
}
