/**
 * The options of the `plugin "nomad-driver-exec2" { config { … } }` block: one
 * schema gives the type, the check and what the client is told. In HCL their
 * names have underscores: `unveil_defaults`.
 */
import { z } from "zod";
import { decodeOptions } from "./decodeOptions.ts";
import { defaultStateDir } from "./defaultStateDir.ts";
import { absolutePath, flag, list, pidsLimit, tcpPorts, unveilEntry } from "./fields.ts";
import { hclSpecOf } from "./hclSpec.ts";

const schema = z.object({
  /** Whether tasks reach the paths of defaultPaths.ts and their own NOMAD_* folders. */
  unveilDefaults: flag().default(true),
  /** Further paths for all tasks, `MODE:PATH` each. */
  unveilPaths: list(unveilEntry()).default([]),
  /** Whether jobs may add paths with the task option `unveil`. */
  unveilByTask: flag().default(false),
  /** Whether a task has its own temporary folder as `/tmp` instead of the host's. */
  privateTmp: flag().default(true),
  /** Whether tasks may run as root; a task that would is refused otherwise. */
  allowRoot: flag().default(false),
  /**
   * Processes and threads that a task may have at once, with the run's init; jobs
   * may ask for fewer with the task option of the same name. Absent: no limit.
   */
  pidsLimit: pidsLimit().optional(),
  /**
   * TCP ports that tasks may connect to; jobs may ask for fewer with the task option of
   * the same name. Absent: every port; empty: none.
   */
  connectTcp: tcpPorts(1).optional(),
  /** TCP ports that tasks may bind; 0: any free port that the kernel chooses. Otherwise as `connectTcp`. */
  bindTcp: tcpPorts(0).optional(),
  /** Where the event log and what belongs to running tasks are kept; root's alone. */
  stateDir: absolutePath().default(defaultStateDir),
});

export type PluginOptions = Readonly<z.output<typeof schema>>;

export const pluginOptionsSpec = hclSpecOf(schema);

/**
 * @param raw the decoded msgpack map of SetConfig
 * @throws DriverError `CONFIG_INVALID`
 */
export function parsePluginOptions(raw: unknown): PluginOptions {
  return decodeOptions("plugin", schema, raw);
}
