/** The options of a task's pid and ipc namespaces. Pure. */

import {
  flag,
  oneOf,
  type PartOptions,
  type PluginValues,
  refuseUnlessAllowed,
  type TaskValues,
} from "../options/fields.ts";

export const namespacesOptions = {
  task: () => ({
    ipcMode: oneOf(["private", "host"]).default("private").meta({
      description:
        "`host`: the host's System V IPC objects and POSIX message queues; needs the plugin's `allow_host_ipc`",
      example: "host",
    }),
    pidMode: oneOf(["private", "host"]).default("private").meta({
      description:
        "`host`: the task sees the host's processes ([pid_mode](#pid_mode)); needs the plugin's `allow_host_pid`, and Linux 6.12",
      example: "host",
    }),
  }),
  plugin: () => ({
    allowHostIpc: flag().default(false).meta({
      description: 'whether jobs may use `ipc_mode = "host"`',
      example: true,
    }),
    allowHostPid: flag().default(false).meta({
      description: 'whether jobs may use `pid_mode = "host"`',
      example: true,
    }),
  }),
} satisfies PartOptions;

interface Values {
  readonly task: TaskValues<typeof namespacesOptions>;
  readonly plugin: PluginValues<typeof namespacesOptions>;
}

/** @throws DriverError `CONFIG_INVALID` */
export function settleNamespaces(task: Values["task"], plugin: Values["plugin"]): void {
  refuseUnlessAllowed("ipcMode", task.ipcMode === "host", "allowHostIpc", plugin);
  refuseUnlessAllowed("pidMode", task.pidMode === "host", "allowHostPid", plugin);
}
