/** The ports that a task may use: the job's, which must be among those that the client allows. Pure. */
import { DriverError } from "../../errors.ts";
import { hclName } from "./hclSpec.ts";

/**
 * An absent list allows every port, an empty list none. In a list of ports to bind, 0 stands for any free
 * port that the kernel chooses.
 */
export type PortLimits = { readonly [option in PortOption]?: number[] | undefined };

export const portOptions = ["connectTcp", "bindTcp", "connectUdp", "bindUdp"] as const;

export type PortOption = (typeof portOptions)[number];

/**
 * A job may always name ports, since that only restricts the task. If the client
 * names ports, too, the job's must be among them.
 * @throws DriverError `CONFIG_INVALID` naming the ports that the client does not allow
 */
export function portsWithin(task: PortLimits, plugin: PortLimits): PortLimits {
  return Object.fromEntries(
    portOptions.map((option) => [option, within(hclName(option), task[option], plugin[option])]),
  );
}

function within(
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
    `The task's config has option "${name}" with ${forbidden.join(", ")}, and this client allows ${ports}`,
    { option: name, hint: `Remove them, or add them to ${name} in the client's plugin block of this driver` },
  );
}
