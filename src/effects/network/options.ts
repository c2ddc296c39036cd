/** The options of the ports that a task may use. Pure. */
import { DriverError } from "../../base/errors.ts";
import { list, type PartOptions, wholeNumber } from "../options/fields.ts";
import { hclName } from "../options/hclOptions.ts";
import { type PortLimits, portOptions } from "./ports.ts";

export const networkOptions = {
  task: () => ({
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

/** A list of ports. `minPort` is 0 if the list may have 0, which means any free port. */
const ports = (minPort: 0 | 1) =>
  list(
    wholeNumber().refine((port) => port >= minPort && port <= 65_535, `must be a port: ${minPort} to 65535`),
    "numbers",
  );
