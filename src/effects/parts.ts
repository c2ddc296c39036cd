/**
 * The parts of a launch, summed: the options of a task, and the plugin's options that concern tasks. An
 * option that two parts have does not compile. Pure.
 */

import { z } from "zod";
import { blackBoxOptions } from "./blackBox/options.ts";
import { cgroupOptions, settleCgroup } from "./cgroup/options.ts";
import { commandOptions } from "./command/options.ts";
import { denialsOptions } from "./denials/options.ts";
import { diskOptions, settleDisk } from "./disk/options.ts";
import { egressOptions, settleEgress } from "./egress/options.ts";
import { limitsOptions } from "./limits/options.ts";
import { logsOptions } from "./logs/options.ts";
import { namesOptions } from "./names/options.ts";
import { namespacesOptions, settleNamespaces } from "./namespaces/options.ts";
import { networkOptions, settlePorts } from "./network/options.ts";
import { portOptions } from "./network/ports.ts";
import { observeOptions, settleObserve } from "./observe/options.ts";
import { type PartOptions, sum, type Values } from "./options/fields.ts";
import { decodeOptions, hclSpecOf } from "./options/hclOptions.ts";
import { rootOptions, settleRoot } from "./root/options.ts";
import { seccompOptions } from "./seccomp/options.ts";
import { checkSeccomp } from "./seccomp/profileOptions.ts";
import { settleUnveil, unveilOptions } from "./unveil/options.ts";
import { settleUsers, usersOptions } from "./users/options.ts";

/** In the order of the documentation. */
const parts = [
  commandOptions,
  unveilOptions,
  rootOptions,
  namesOptions,
  usersOptions,
  limitsOptions,
  namespacesOptions,
  cgroupOptions,
  diskOptions,
  egressOptions,
  networkOptions,
  seccompOptions,
  logsOptions,
  denialsOptions,
  blackBoxOptions,
  observeOptions,
] as const;

function shapesOf<Kind extends keyof PartOptions>(kind: Kind) {
  const shapes: unknown = parts.map((part) => part[kind]());
  return shapes as Shapes<typeof parts, Kind>;
}

type Shapes<Parts extends readonly PartOptions[], Kind extends keyof PartOptions> = {
  readonly [At in keyof Parts]: ReturnType<Parts[At][Kind]>;
};

/** The plugin's options that concern tasks. */
export const pluginShape = () => sum(shapesOf("plugin"));

export type SandboxOptions = Values<ReturnType<typeof pluginShape>>;

/**
 * The options of a task's `config { … }` block. One schema defines their types, checks, hclspec and
 * documentation. It is made at its first use, with everything that is derived from it: the start of a plugin
 * does not need it.
 */
export const taskSchema = lazy(() => z.object(sum(shapesOf("task"))));

export type TaskOptions = Readonly<z.output<ReturnType<typeof taskSchema>>>;

/** The default values of all options. The command is empty. */
export const defaultTaskOptions = lazy(
  (): TaskOptions => ({ ...taskSchema().parse({ command: "?" }), command: "" }),
);

export const taskOptionsSpec = lazy(() => hclSpecOf(taskSchema()));

/**
 * Decodes a task's options, and checks them against the plugin's.
 * @param raw the decoded `msgpack_driver_config` of a task
 * @param plugin what the operator allows
 * @throws DriverError `CONFIG_INVALID`
 */
export function parseTaskOptions(raw: unknown, plugin: SandboxOptions): TaskOptions {
  return withinPluginLimits(decodeOptions("task", taskSchema(), raw), plugin);
}

/**
 * The task's options, with the plugin's limits where the task sets none.
 * @throws DriverError `CONFIG_INVALID` naming the option and what has to change
 */
export function withinPluginLimits(task: TaskOptions, plugin: SandboxOptions): TaskOptions {
  settleUnveil(task, plugin);
  settleNamespaces(task, plugin);
  settleRoot(task, plugin);
  settleUsers(task, plugin);
  checkSeccomp(task, plugin);
  return {
    ...task,
    ...settlePorts(task, plugin),
    ...settleEgress(task, plugin),
    ...settleCgroup(task, plugin),
    ...settleDisk(task, plugin),
    ...settleObserve(task, plugin),
  };
}

/** Options that a task gets from the plugin if its job does not set them. */
export const limitOptions = ["pidsLimit", "swapLimit", ...portOptions, "egress", "diskLimit"] as const;

/**
 * Returns a function that makes a value at its first call, and returns the same value at later calls.
 */
export function lazy<Value extends {}>(make: () => Value): () => Value {
  let made: Value | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
