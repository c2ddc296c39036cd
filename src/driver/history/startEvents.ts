/** Builds the events of a start: the request, what the host offers, and a failure. */
import { isDeepStrictEqual } from "node:util";
import type { DriverError } from "../../base/errors.ts";
import type { HostFacts } from "../../effects/host/hostFacts.ts";
import type { TaskRequest } from "../../effects/launch/taskRequest.ts";
import { hclName } from "../../effects/options/hclOptions.ts";
import { defaultTaskOptions, type TaskOptions, taskSchema } from "../../effects/parts.ts";
import type { EventData } from "../../machines/events.ts";

/** The `requested` event of a task: the request without the values of its environment. */
export function requestedEvent(
  request: TaskRequest,
  envDigest: string,
  plugin: { readonly pid: number; readonly version: string },
): EventData<"requested"> {
  const { options, network } = request;
  return {
    taskName: request.taskName,
    allocId: request.allocId,
    groupName: request.groupName,
    jobId: request.jobId,
    jobName: request.jobName,
    namespace: request.namespace,
    nodeName: request.nodeName,
    command: options.command,
    args: [...options.args],
    unveil: [...options.unveil],
    workDir: options.workDir ?? null,
    oomScoreAdj: options.oomScoreAdj,
    settings: settingsOf(options),
    user: request.user,
    envKeys: Object.keys(request.env).map(withoutValue).sort(),
    envDigest,
    resources: { ...request.resources },
    network: { mode: network.mode, path: network.path, self: network.self ? { ...network.self } : null },
    extraHosts: [...options.extraHosts],
    connectTcp: options.connectTcp ? [...options.connectTcp] : null,
    bindTcp: options.bindTcp ? [...options.bindTcp] : null,
    mounts: request.mounts.map((mount) => ({ ...mount })),
    devices: request.devices.map((device) => ({ ...device })),
    allocDir: request.allocDir,
    stdoutPath: request.stdoutPath,
    stderrPath: request.stderrPath,
    plugin: { ...plugin },
  };
}

/** Options that have their own fields in the event. */
const optionsWithField: readonly string[] = [
  "command",
  "args",
  "unveil",
  "workDir",
  "oomScoreAdj",
  "connectTcp",
  "bindTcp",
  "extraHosts",
] satisfies (keyof TaskOptions)[];

/** The other options, if they differ from their defaults. */
function settingsOf(options: TaskOptions): EventData<"requested">["settings"] {
  const settings: EventData<"requested">["settings"] = {};
  for (const [name, value] of Object.entries(options)) {
    const isDefault = isDeepStrictEqual(value, defaultTaskOptions()[name as keyof TaskOptions]);
    if (value !== undefined && !isDefault && !optionsWithField.includes(name))
      settings[hclName(name)] = value;
  }
  return settings;
}

/** The options from which the event was made. They were checked at that time, and are not checked again. */
export function requestedOptions(event: EventData<"requested">): TaskOptions {
  const set = Object.keys(taskSchema().shape).flatMap((name) => {
    const value = optionsWithField.includes(name)
      ? event[name as keyof typeof event]
      : event.settings[hclName(name)];
    return value === undefined || value === null ? [] : [[name, value]];
  });
  return { ...defaultTaskOptions(), ...Object.fromEntries(set) };
}

/**
 * Cuts a variable's name at "=", because the rest may be part of a value. A start with such a name is
 * refused, but only later.
 */
function withoutValue(name: string): string {
  const sign = name.indexOf("=");
  return sign === -1 ? name : name.slice(0, sign);
}

/** The `fingerprinted` event of a task: what the host offers. */
export function fingerprintedEvent(facts: HostFacts): EventData<"fingerprinted"> {
  const { kernel, arch, bootId, landlockAbi, cgroupControllers, mhzPerCore } = facts;
  return { kernel, arch, bootId, landlockAbi, cgroupControllers: [...cgroupControllers], mhzPerCore };
}

/** The `startFailed` event of a task, with the error that its agent gets. */
export function startFailedEvent(error: DriverError): EventData<"startFailed"> {
  const { code, message, summary, failed = null, hint = null, recoverable } = error;
  return { code, message, summary, failed, hint, recoverable };
}
