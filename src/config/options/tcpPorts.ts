/** Which TCP ports a task may use: those that the job names, within those that the client allows. Pure. */
import { DriverError } from "../../errors.ts";

/** Absent: every port. Empty: none. */
export interface TcpPorts {
  readonly connectTcp?: number[] | undefined;
  /** 0 stands for any free port that the kernel chooses. */
  readonly bindTcp?: number[] | undefined;
}

/**
 * A task can only be restricted further, so jobs may always name ports; where the
 * client names some, too, those are all there are.
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
  asked: number[] | undefined,
  allowed: number[] | undefined,
): number[] | undefined {
  if (asked === undefined || allowed === undefined) return asked ?? allowed;
  const others = asked.filter((port) => !allowed.includes(port));
  if (others.length === 0) return asked;
  const ports = allowed.length === 0 ? "none" : allowed.join(", ");
  throw new DriverError(
    "CONFIG_INVALID",
    `The task's config has option "${name}" with ${others.join(", ")}, and this client allows ${ports}`,
    { hint: `Remove them, or add them to ${name} in the client's plugin block of this driver` },
  );
}
