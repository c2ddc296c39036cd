/**
 * The options of the `plugin "nomad-driver-exec2" { config { … } }` block. One
 * schema defines their types, checks, hclspec and documentation. In HCL their
 * names have underscores: `unveil_defaults`.
 */
import { z } from "zod";
import { DriverError } from "../../errors.ts";
import { seccompProblem } from "../seccomp/profileOptions.ts";
import { decodeOptions } from "./decodeOptions.ts";
import { defaultStateDir } from "./defaultStateDir.ts";
import {
  absolutePath,
  capabilityName,
  flag,
  historyBlocks,
  idRanges,
  list,
  oneOf,
  pidsLimit,
  seccompProfileBlocks,
  swapLimit,
  tcpPorts,
  text,
  unveilEntry,
} from "./fields.ts";
import { hclSpecOf } from "./hclSpec.ts";

export const pluginSchema = z.object({
  unveilDefaults: flag().default(true).meta({
    description: "unveil the [default paths](#default-paths) and the task's own folders",
    example: false,
  }),
  unveilPaths: list(unveilEntry())
    .default([])
    .meta({
      description: "further paths for all tasks, see [unveil](#unveil)",
      example: ["rx:/opt/bin", "r:/srv/certs"],
    }),
  unveilByTask: flag().default(false).meta({
    description: "whether jobs may unveil paths themselves, with the task option `unveil`",
    example: true,
  }),
  privateTmp: flag().default(true).meta({
    description:
      "a task sees its own `tmp` folder as `/tmp`. If the plugin's or the task's configuration unveils a path at or below `/tmp`, the task sees the host's `/tmp`",
    example: false,
  }),
  root: oneOf(["private", "host"]).default("private").meta({
    description:
      "what tasks see at `/`, see [root](#root): a root of their own in which there is only what is unveiled, or the host's tree",
    example: "host",
  }),
  allowHostRoot: flag().default(false).meta({
    description: "whether tasks may see the host's tree, with `root`",
    example: true,
  }),
  identityFiles: flag().default(false).meta({
    description:
      "whether tasks have an `/etc/passwd` and `/etc/group` of their own by default, see [root](#root)",
    example: true,
  }),
  writableLogs: flag().default(false).meta({
    description:
      "whether tasks may write to `alloc/logs`, see [log files](#log-files). It is read-only for them by default",
    example: true,
  }),
  allowRoot: flag().default(false).meta({
    description:
      "whether tasks may run as root. That is the host's root, though with the capabilities of `allow_caps` only, see [users](#users)",
    example: true,
  }),
  allowCaps: list(capabilityName())
    .default(["net_bind_service"])
    .meta({
      description:
        "capabilities that tasks may have at most, by `cap_add` or as root; names with or without `CAP_`, in any case, or `all`. Capabilities beyond the default can lead out of the sandbox: `mknod` makes device nodes, `setuid` lets a task become another user, whom services on sockets then trust",
      example: ["net_bind_service", "net_raw"],
    }),
  seccomp: text().default("default").meta({
    description:
      "profile of the [system calls](#system-calls) that tasks may make, unless they name another: `default`, `unconfined`, or one of `seccomp_profiles`",
    example: "offline",
  }),
  seccompProfiles: seccompProfileBlocks()
    .default([])
    .meta({
      description:
        "profiles of the operator's own, each a list of what it allows (`+`) and refuses (`-`) otherwise than the default one: system calls by name, groups of them by `@` and their names",
      example: [{ offline: ["-socket", "-ptrace"], browser: ["+@namespace", "+chroot"] }],
    }),
  allowSeccomp: list(text())
    .default([])
    .meta({
      description:
        "what jobs may ask for beyond `seccomp`: profiles with the task option of that name, system calls and groups with `seccomp_allow`; or `all`",
      example: ["browser", "@io_uring"],
    }),
  groupsByTask: flag().default(false).meta({
    description: "whether jobs may request supplementary groups, with the task option `groups`",
    example: true,
  }),
  dynamicUserIds: idRanges().default("80000-89999").meta({
    description:
      "uids, which are gids too, of dynamic users (`nomad-<n>`), as the client's `users` block has them (`dynamic_user_min` to `dynamic_user_max`). Others are refused, and so are those that the host's users, groups, name services or `/etc/subuid` and `/etc/subgid` know",
    example: "200000-209999",
  }),
  deniedHostUids: idRanges().default("").meta({
    description: "uids that no task may run as, single ones and ranges",
    example: "0,100-999",
  }),
  deniedHostGids: idRanges().default("").meta({
    description: "gids that no task may have, neither as its primary group nor as a supplementary one",
    example: "0,27,42",
  }),
  deniedEnvvars: list(text().min(1, "must not be empty"))
    .default([])
    .meta({
      description: "variables that are removed from every task's environment; `*` stands for any characters",
      example: ["AWS_*", "*_TOKEN"],
    }),
  allowHostIpc: flag().default(false).meta({
    description: "whether tasks may be in the host's ipc namespace, with `ipc_mode`",
    example: true,
  }),
  allowHostPid: flag().default(false).meta({
    description: "whether tasks may be in the host's pid namespace, with `pid_mode`",
    example: true,
  }),
  allowRaisedUlimits: flag().default(false).meta({
    description: "whether tasks may have higher limits than the Nomad agent itself, with `ulimit`",
    example: true,
  }),
  // Eight tasks at their limit still leave room where kernel.pid_max is 32768, its value on small hosts.
  pidsLimit: pidsLimit().default(4_096).meta({
    description:
      "maximum number of processes and threads of a task, including the run's init: 2 to 4194304, which is no limit; jobs may set less",
    example: 500,
  }),
  swapLimit: swapLimit().default(0).meta({
    description:
      "maximum MiB of swap that a task uses in addition to its memory, -1: no limit; jobs may set less. By default a task's memory is never swapped out",
    example: 256,
  }),
  connectTcp: tcpPorts(1)
    .optional()
    .meta({
      description:
        "TCP ports that tasks may connect to, 1 to 65535, see [TCP ports](#tcp-ports); every port by default. Jobs may set fewer",
      example: [53, 443],
    }),
  bindTcp: tcpPorts(0)
    .optional()
    .meta({
      description:
        "TCP ports that tasks may bind, 0 to 65535, 0 for any free port that the kernel chooses; every port by default",
      example: [0, 8080],
    }),
  history: historyBlocks()
    .default([])
    .meta({
      description:
        "bounds of the history of ended tasks, see [history](#history): `keep`, how long it is kept, by default `168h`; `max_size_mb`, maximum MiB of the event log, by default `1024`",
      example: [{ keep: "720h", max_size_mb: "4096" }],
    }),
  stateDir: absolutePath().default(defaultStateDir).meta({
    description:
      "absolute path of the folder for the event log and the files of runs. It belongs to root with mode 0700, and is created in an existing folder if it is missing. One plugin process owns it at a time, so each agent of a host needs its own, see [recovery](recovery.md#a-state-folder-that-cannot-be-used)",
    example: "/srv/nomad-driver-exec2",
  }),
});

export type PluginOptions = Readonly<z.output<typeof pluginSchema>>;

export const pluginOptionsSpec = hclSpecOf(pluginSchema);

/**
 * @param raw the decoded msgpack map of SetConfig
 * @throws DriverError `CONFIG_INVALID`
 */
export function parsePluginOptions(raw: unknown): PluginOptions {
  const options = decodeOptions("plugin", pluginSchema, raw);
  const problem = seccompProblem(options);
  if (problem === undefined) return options;
  const { option, message, hint } = problem;
  throw new DriverError("CONFIG_INVALID", `The plugin's config is invalid: option "${option}" ${message}`, {
    hint,
  });
}
