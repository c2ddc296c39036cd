/** The options of the places and ports that a task may use. Pure. */
import { DriverError } from "../../base/errors.ts";
import {
  checkedText,
  list,
  type PartOptions,
  type PluginValues,
  type TaskValues,
  wholeNumber,
} from "../options/fields.ts";
import { hclName } from "../options/hclOptions.ts";
import {
  deniedProblem,
  egressBeyond,
  egressProblem,
  egressWithin,
  maxEgressEntries,
  maxEgressNames,
  namesIn,
} from "./egress.ts";
import { type PortLimits, portOptions } from "./ports.ts";

export const networkOptions = {
  task: () => ({
    egress: egressList(egressProblem)
      .optional()
      .meta({
        description:
          "[where the task may connect](egress.md): addresses, ranges and names, each with a port or without; `[]`: only loopback †",
        example: ["10.0.0.0/8:5432", "udp:10.0.0.53:53", "api.example.org:443"],
      }),
    connectTcp: ports(1)
      .optional()
      .meta({
        description: "[TCP ports](#ports) that the task may connect to †",
        example: [5432],
      }),
    bindTcp: ports(0)
      .optional()
      .meta({
        description: "TCP ports that the task may bind; 0: any free one †",
        example: [8080],
      }),
    connectUdp: ports(1)
      .optional()
      .meta({
        description: "UDP ports that the task may send to †. Needs Linux 7.2",
        example: [53],
      }),
    bindUdp: ports(0)
      .optional()
      .meta({
        description:
          "UDP ports that the task may bind; 0: any free one, which sending also binds †. Needs Linux 7.2",
        example: [0],
      }),
  }),
  plugin: () => ({
    egress: egressList(egressProblem)
      .optional()
      .meta({
        description: "[where tasks may connect](egress.md), by default everywhere †",
        example: ["10.0.0.0/8", "api.example.org:443"],
      }),
    egressDenied: egressList(deniedProblem)
      .default([])
      .meta({
        description:
          "addresses and ranges that no task reaches by TCP or UDP, whatever `egress` says ([egress](egress.md#what-the-operator-sets))",
        example: ["169.254.169.254", "fd00:ec2::254"],
      }),
    connectTcp: ports(1)
      .optional()
      .meta({
        description: "[TCP ports](#ports) that tasks may connect to, 1 to 65535; all by default †",
        example: [53, 443],
      }),
    bindTcp: ports(0)
      .optional()
      .meta({
        description:
          "TCP ports that tasks may bind, 0 to 65535, where 0 means any free port; all by default †",
        example: [0, 8080],
      }),
    connectUdp: ports(1)
      .optional()
      .meta({
        description: "UDP ports that tasks may send to, 1 to 65535; all by default †. Needs Linux 7.2",
        example: [53, 123],
      }),
    bindUdp: ports(0)
      .optional()
      .meta({
        description:
          "UDP ports that tasks may bind, 0 to 65535, where 0 means any free port, which sending also binds; all by default †. Needs Linux 7.2",
        example: [0],
      }),
  }),
} satisfies PartOptions;

/**
 * The ports that a task may use. A job may always name ports, since that only restricts the task. If the
 * client names ports, too, the job's must be among them.
 * @throws DriverError `CONFIG_INVALID`
 */
export function settlePorts(task: PortLimits, plugin: PortLimits): PortLimits {
  return Object.fromEntries(
    portOptions.map((option) => [option, portListWithin(hclName(option), task[option], plugin[option])]),
  );
}

/**
 * Where a task may connect. If the client has a list, the job's must be within it, and no entry of the job may
 * be one that the client denies as a whole.
 * @throws DriverError `CONFIG_INVALID`
 */
export function settleEgress(
  { egress }: Pick<TaskValues<typeof networkOptions>, "egress">,
  plugin: Pick<PluginValues<typeof networkOptions>, "egress" | "egressDenied">,
): { egress: string[] | undefined } {
  if (egress === undefined) return { egress: plugin.egress };
  const beyond = plugin.egress === undefined ? [] : egressBeyond(egress, plugin.egress);
  if (beyond.length > 0) {
    const places = plugin.egress?.length ? plugin.egress.join(", ") : "only loopback";
    throw refusedEgress(`${beyond.join(", ")}, but this client allows ${places}`, "add them to egress");
  }
  const denied = egressWithin(egress, plugin.egressDenied);
  if (denied.length === 0) return { egress };
  throw refusedEgress(
    `${denied.join(", ")}, but this client denies ${plugin.egressDenied.join(", ")}`,
    "take them out of egress_denied",
  );
}

function refusedEgress(problem: string, remedy: string): DriverError {
  return new DriverError("CONFIG_INVALID", `The task's config has option "egress" with ${problem}`, {
    option: "egress",
    hint: `Remove them, or ${remedy} in the client's plugin block of this driver`,
  });
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

/** A list of destinations. */
const egressList = (problemOf: typeof egressProblem) =>
  list(checkedText(problemOf))
    .refine(
      (entries) => entries.length <= maxEgressEntries,
      `must have at most ${maxEgressEntries} entries: name ranges around them`,
    )
    .refine(
      (entries) =>
        entries.some((each) => problemOf(each) !== undefined) || namesIn(entries).length <= maxEgressNames,
      `must have at most ${maxEgressNames} names: use ranges for the others`,
    );

/** A list of ports. `minPort` is 0 if the list may have 0, which means any free port. */
const ports = (minPort: 0 | 1) =>
  list(
    wholeNumber().refine((port) => port >= minPort && port <= 65_535, `must be a port: ${minPort} to 65535`),
    "numbers",
  );
