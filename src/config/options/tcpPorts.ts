/** The TCP ports that a task may use: the job's, which must be among those that the client allows. Pure. */
import { DriverError } from "../../errors.ts";

/** Absent: every port. Empty: none. */
export interface TcpPorts {
  readonly connectTcp?: number[] | undefined;
  /** 0 means any free port that the kernel chooses. */
  readonly bindTcp?: number[] | undefined;
}

/**
 * A job may always name ports, since that only restricts the task. If the client
 * names ports, too, the job's must be among them.
 * @throws DriverError `CONFIG_INVALID` naming the ports that the client does not allow
 */
export function tcpPortsWithin(task: TcpPorts, plugin: TcpPorts): TcpPorts {
  return {
    connectTcp: within("connect_tcp", task.connectTcp, plugin.connectTcp),
    bindTcp: within("bind_tcp", task.bindTcp, plugin.bindTcp),
  };
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
