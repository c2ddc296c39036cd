/** What a task's options may be, given each other and the plugin's options. Pure. */
import { DriverError } from "../../errors.ts";
import { contradiction } from "./capabilities.ts";
import { decodeOptions } from "./decodeOptions.ts";
import { hclName } from "./hclSpec.ts";
import type { PluginOptions } from "./pluginOptions.ts";
import { type TaskOptions, taskSchema } from "./taskOptions.ts";
import { tcpPortsWithin } from "./tcpPorts.ts";

/**
 * @param raw the decoded `msgpack_driver_config` of a task
 * @param plugin what the operator allows
 * @throws DriverError `CONFIG_INVALID`
 */
export function parseTaskOptions(raw: unknown, plugin: PluginOptions): TaskOptions {
  return withinPluginLimits(decodeOptions("task", taskSchema, raw), plugin);
}

/**
 * The options with the plugin's where the task has none of its own.
 * @throws DriverError `CONFIG_INVALID` naming the option and what has to change
 */
function withinPluginLimits(task: TaskOptions, plugin: PluginOptions): TaskOptions {
  refuseUnlessAllowed("unveil", task.unveil.length > 0, "unveilByTask", plugin);
  refuseUnlessAllowed("groups", task.groups.length > 0, "groupsByTask", plugin);
  refuseUnlessAllowed("ipcMode", task.ipcMode === "host", "allowHostIpc", plugin);
  refuseUnlessAllowed("pidMode", task.pidMode === "host", "allowHostPid", plugin);
  const senseless = contradiction(task);
  if (senseless !== undefined) {
    throw new DriverError("CONFIG_INVALID", `The task's config contradicts itself: ${senseless}`);
  }
  const pidsLimit = lesser("pidsLimit", task.pidsLimit, plugin.pidsLimit ?? Infinity);
  const swapLimit = lesser("swapLimit", task.swapLimit && counted(task.swapLimit), counted(plugin.swapLimit));
  return {
    ...task,
    ...tcpPortsWithin(task, plugin),
    ...(pidsLimit === Infinity ? {} : { pidsLimit }),
    // No swap is what a task has anyway.
    ...(swapLimit === 0 ? {} : { swapLimit: swapLimit === Infinity ? -1 : swapLimit }),
  };
}

function refuseUnlessAllowed(
  option: keyof TaskOptions,
  isUsed: boolean,
  permission: "unveilByTask" | "groupsByTask" | "allowHostIpc" | "allowHostPid",
  plugin: PluginOptions,
): void {
  if (!isUsed || plugin[permission]) return;
  const summary = `The task's config has option "${hclName(option)}", which this client does not allow`;
  throw new DriverError("CONFIG_INVALID", summary, {
    hint: `Remove it, or set ${hclName(permission)} = true in the client's plugin block of this driver`,
  });
}

/** The task's limit, or the plugin's where it has none. */
function lesser(option: "pidsLimit" | "swapLimit", wanted: number | undefined, allowed: number): number {
  if (wanted === undefined || wanted <= allowed) return wanted ?? allowed;
  const name = hclName(option);
  const asked = wanted === Infinity ? "without a limit" : wanted;
  throw new DriverError(
    "CONFIG_INVALID",
    `The task's config has option "${name}" ${asked}, and this client allows ${allowed}`,
    { hint: `Lower it, or raise ${name} in the client's plugin block of this driver` },
  );
}

/** -1 is no limit: more than any other. */
function counted(limit: number): number {
  return limit === -1 ? Infinity : limit;
}
