/** Builds the events of a start: the request, what the host offers, and a failure. */
import type { DriverError } from "../../base/errors.ts";
import { type DelegatedCgroups, delegatedCgroupsOf } from "../../effects/cgroup/delegatedCgroups.ts";
import type { HostFacts } from "../../effects/host/hostFacts.ts";
import type { TaskRequest } from "../../effects/launch/taskRequest.ts";
import { recordDestination } from "../../effects/logs/destination.ts";
import { changedOptions, hclName } from "../../effects/options/hclOptions.ts";
import { defaultTaskOptions, type TaskOptions, taskSchema } from "../../effects/parts.ts";
import type { EventData } from "../../machines/events.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import { shortList } from "../../units/longLists.ts";

/**
 * The `requested` event of a task: the request without the values of its environment, and without very long arguments.
 * @param digestOf a keyed digest of the arguments that are left out, so that requests which differ only there stay
 *   different; undefined where nothing compares them
 */
export function requestedEvent(
  request: TaskRequest,
  envDigest: string,
  plugin: { readonly pid: number; readonly version: string },
  digestOf?: (data: string) => string,
): EventData<"requested"> {
  const { options, network } = request;
  return {
    taskName: request.taskName,
    allocId: request.allocId,
    groupName: request.groupName,
    allocIndex: request.allocIndex,
    jobId: request.jobId,
    jobName: request.jobName,
    namespace: request.namespace,
    nodeName: request.nodeName,
    options: recordedOptions(options, digestOf),
    user: request.user,
    envKeys: Object.keys(request.env).map(withoutValue).sort(),
    envDigest,
    resources: { ...request.resources },
    network: { mode: network.mode, path: network.path, self: network.self ? { ...network.self } : null },
    mounts: request.mounts.map((mount) => ({ ...mount })),
    devices: request.devices.map((device) => ({ ...device })),
    allocDir: request.allocDir,
    stdoutPath: request.stdoutPath,
    stderrPath: request.stderrPath,
    ...recordDestination(request.output),
    plugin: { ...plugin },
  };
}

/**
 * The command with its arguments, and the options that differ from their defaults. So a version with another
 * option records the same request in the same way. No start reads the arguments here: the agent gives them each time.
 */
function recordedOptions(
  options: TaskOptions,
  digestOf?: (data: string) => string,
): EventData<"requested">["options"] {
  const { command, args } = options;
  const changed = changedOptions(options, defaultTaskOptions());
  return { ...changed, command, args: shortList(args, "argument", digestOf) };
}

/**
 * The options from which the event was made, but for long arguments. They were checked at that time, and are not
 * checked again.
 */
export function requestedOptions(event: EventData<"requested">): TaskOptions {
  const set = Object.keys(taskSchema().shape).flatMap((name) => {
    const value = event.options[hclName(name)];
    return value === undefined ? [] : [[name, value]];
  });
  return { ...defaultTaskOptions(), ...Object.fromEntries(set) };
}

const delegateOption = hclName("cgroupDelegate");

/** The cgroups of a run whose task has a subtree of its own; undefined for others. */
export function delegatedCgroups({
  request,
  sandbox,
}: Pick<TaskContext, "request" | "sandbox">): DelegatedCgroups | undefined {
  if (request === null || sandbox === null || request.options[delegateOption] !== true) return undefined;
  return delegatedCgroupsOf(request.resources.cgroup, sandbox.runFolder);
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
