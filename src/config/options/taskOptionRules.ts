/** Checks a task's options against each other and against the plugin's options. Pure. */
import { DriverError } from "../../errors.ts";
import { checkSeccomp } from "../seccomp/profileOptions.ts";
import { contradiction } from "../values/capabilities.ts";
import { type PortLimits, portOptions } from "../values/ports.ts";
import { decodeOptions, hclName } from "./hclOptions.ts";
import type { PluginOptions } from "./pluginOptions.ts";
import { type TaskOptions, taskSchema } from "./taskOptions.ts";

/**
 * Decodes a task's options, and checks them against the plugin's.
 * @param raw the decoded `msgpack_driver_config` of a task
 * @param plugin what the operator allows
 * @throws DriverError `CONFIG_INVALID`
 */
export function parseTaskOptions(raw: unknown, plugin: PluginOptions): TaskOptions {
  return withinPluginLimits(decodeOptions("task", taskSchema(), raw), plugin);
}

/**
 * The task's options, with the plugin's limits where the task sets none.
 * @throws DriverError `CONFIG_INVALID` naming the option and what has to change
 */
export function withinPluginLimits(task: TaskOptions, plugin: PluginOptions): TaskOptions {
  refuseUnlessAllowed("unveil", task.unveil.length > 0, "unveilByTask", plugin);
  refuseUnlessAllowed("groups", task.groups.length > 0, "groupsByTask", plugin);
  refuseUnlessAllowed("ipcMode", task.ipcMode === "host", "allowHostIpc", plugin);
  refuseUnlessAllowed("pidMode", task.pidMode === "host", "allowHostPid", plugin);
  refuseUnlessAllowed("root", task.root === "host" && plugin.root !== "host", "allowHostRoot", plugin);
  const conflict = contradiction(task);
  if (conflict !== undefined) {
    throw new DriverError("CONFIG_INVALID", `The task's config contradicts itself: ${conflict}`, {
      option: "cap_add",
    });
  }
  checkSeccomp(task, plugin);
  const pidsLimit = limitWithin("pidsLimit", task.pidsLimit, plugin.pidsLimit);
  const swapLimit = limitWithin(
    "swapLimit",
    task.swapLimit && numeric(task.swapLimit),
    numeric(plugin.swapLimit),
  );
  return {
    ...task,
    ...portsWithin(task, plugin),
    pidsLimit,
    // A limit of 0 is left out, because a task without the option has no swap.
    ...(swapLimit === 0 ? {} : { swapLimit: swapLimit === Infinity ? -1 : swapLimit }),
  };
}

function refuseUnlessAllowed(
  option: keyof TaskOptions,
  isUsed: boolean,
  permission: "unveilByTask" | "groupsByTask" | "allowHostIpc" | "allowHostPid" | "allowHostRoot",
  plugin: PluginOptions,
): void {
  if (!isUsed || plugin[permission]) return;
  const name = hclName(option);
  const summary = `The task's config has option "${name}", which this client does not allow`;
  throw new DriverError("CONFIG_INVALID", summary, {
    option: name,
    hint: `Remove it, or set ${hclName(permission)} = true in the client's plugin block of this driver`,
  });
}

/** The task's limit, or the plugin's if the task has none. */
function limitWithin(option: "pidsLimit" | "swapLimit", limit: number | undefined, allowed: number): number {
  if (limit === undefined || limit <= allowed) return limit ?? allowed;
  const name = hclName(option);
  const requested = limit === Infinity ? "without a limit" : limit;
  throw new DriverError(
    "CONFIG_INVALID",
    `The task's config has option "${name}" ${requested}, but this client allows ${allowed}`,
    { option: name, hint: `Lower it, or raise ${name} in the client's plugin block of this driver` },
  );
}

/** A limit that can be compared with others: -1, which means no limit, becomes `Infinity`. */
function numeric(limit: number): number {
  return limit === -1 ? Infinity : limit;
}

/**
 * The ports that a task may use. A job may always name ports, since that only restricts the task. If the
 * client names ports, too, the job's must be among them.
 */
function portsWithin(task: PortLimits, plugin: PortLimits): PortLimits {
  return Object.fromEntries(
    portOptions.map((option) => [option, portListWithin(hclName(option), task[option], plugin[option])]),
  );
}

function portListWithin(
  name: string,
  requested: number[] | undefined,
  allowed: number[] | undefined,
): number[] | undefined {
  if (requested === undefined || allowed === undefined) return requested ?? allowed;
  const forbidden = requested.filter((port) => !allowed.includes(port));
  if (forbidden.length === 0) return requested;
  const ports = allowed.length === 0 ? "none" : allowed.join(", ");
  throw new DriverError(
    "CONFIG_INVALID",
    `The task's config has option "${name}" with ${forbidden.join(", ")}, but this client allows ${ports}`,
    { option: name, hint: `Remove them, or add them to ${name} in the client's plugin block of this driver` },
  );
}
