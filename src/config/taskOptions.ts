/**
 * The options of a task's `config { … }` block: one schema gives the type, the
 * check and what the client is told.
 */
import { z } from "zod";
import { DriverError } from "../errors.ts";
import { decodeOptions } from "./decodeOptions.ts";
import { hostEntry, list, pidsLimit, tcpPorts, text, unveilEntry, wholeNumber } from "./fields.ts";
import { hclSpecOf } from "./hclSpec.ts";
import type { PluginOptions } from "./pluginOptions.ts";
import { tcpPortsWithin } from "./tcpPorts.ts";

const schema = z.object({
  /** A path, or the name of a program that is looked for in the task's PATH. */
  command: text().min(1, "must not be empty"),
  args: list(text()).default([]),
  /** Further paths for this task, `MODE:PATH` each; the plugin option `unveil_by_task` allows it. */
  unveil: list(unveilEntry()).default([]),
  /**
   * proc_pid_oom_score_adj(5): the higher, the earlier the kernel kills the task when memory runs out.
   * The kernel knows -1000 to 1000. Negative values are refused: they would let
   * any job protect itself at the cost of its neighbours, and of the agent.
   */
  oomScoreAdj: wholeNumber()
    .refine(
      (score) => score >= 0 && score <= 1000,
      "must be from 0 to 1000; a task cannot be protected from the OOM killer at the cost of others",
    )
    .default(0),
  /** Processes and threads of the task at once, with its init; absent: as many as the plugin option allows. */
  pidsLimit: pidsLimit().optional(),
  /** TCP ports that the task may connect to. Absent: those that the plugin option allows; empty: none. */
  connectTcp: tcpPorts(1).optional(),
  /** TCP ports that the task may bind; 0: any free port that the kernel chooses. Otherwise as `connectTcp`. */
  bindTcp: tcpPorts(0).optional(),
  /** Further lines of the task's /etc/hosts: `NAME:ADDRESS` each. */
  extraHosts: list(hostEntry()).default([]),
  /** Absolute, or relative to the task's own folder; without it, that folder. */
  workDir: text().min(1, "must not be empty").optional(),
});

export type TaskOptions = Readonly<z.output<typeof schema>>;

export const taskOptionsSpec = hclSpecOf(schema);

/**
 * @param raw the decoded `msgpack_driver_config` of a task
 * @param plugin what the operator allows
 * @throws DriverError `CONFIG_INVALID`
 */
export function parseTaskOptions(raw: unknown, plugin: PluginOptions): TaskOptions {
  const options = decodeOptions("task", schema, raw);
  if (options.unveil.length > 0 && !plugin.unveilByTask) {
    throw new DriverError(
      "CONFIG_INVALID",
      'The task\'s config has option "unveil", which this client does not allow',
      {
        hint: "Remove it, or set unveil_by_task = true in the client's plugin block of this driver",
      },
    );
  }
  if (
    options.pidsLimit !== undefined &&
    plugin.pidsLimit !== undefined &&
    options.pidsLimit > plugin.pidsLimit
  ) {
    throw new DriverError(
      "CONFIG_INVALID",
      `The task's config has option "pids_limit" ${options.pidsLimit}, and this client allows ${plugin.pidsLimit}`,
      { hint: "Lower it, or raise pids_limit in the client's plugin block of this driver" },
    );
  }
  const ports = tcpPortsWithin(options, plugin);
  return { ...options, ...ports, pidsLimit: options.pidsLimit ?? plugin.pidsLimit };
}
