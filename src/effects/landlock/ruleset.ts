/**
 * A Landlock ruleset: landlock(7). The plugin only makes the ruleset, and adds the rules (rules.ts). The task inherits
 * it, and restricts itself with it.
 */
import { DriverError } from "../../base/errors.ts";
import { LANDLOCK_CREATE_RULESET_VERSION, LANDLOCK_RULE_NET_PORT } from "../kernel/constants.ts";
import { landlockAddRule, landlockCreateRuleset } from "../kernel/libc.ts";
import { netPortAttr, rulesetAttr } from "../kernel/structs.ts";
import { type PortLimits, type PortOption, portOptions } from "../network/ports.ts";
import { hclName } from "../options/hclOptions.ts";
import { abiWith, handledAccess, kernelWith, maskOfRights, portRights, scopesOf } from "./rights.ts";

/**
 * The kernel's highest ABI: landlock_create_ruleset(2).
 * @returns 0 if the kernel has no Landlock, or it was not enabled at boot
 */
export function landlockAbi(): number {
  try {
    return landlockCreateRuleset(null, LANDLOCK_CREATE_RULESET_VERSION);
  } catch (thrown) {
    const errno = thrown instanceof DriverError ? thrown.failed?.errno : undefined;
    if (errno === "ENOSYS" || errno === "EOPNOTSUPP") return 0;
    throw thrown;
  }
}

/**
 * Creates a ruleset without rules for files: it refuses all access to them.
 * @param abi of the kernel; rights that it does not know are left out
 * @param scopes 0 for a process that joins a task later. Such a process gets its own Landlock domain, and
 *   could not send signals to the task if its domain had scopes
 * @returns a descriptor, close-on-exec; the caller closes it
 * @throws DriverError `LANDLOCK_UNAVAILABLE` for ABI 0, and for limits on ports that the ABI does not know
 */
export function createRuleset(abi: number, ports: PortLimits = {}, scopes = scopesOf(abi)): number {
  if (abi < 1) {
    throw new DriverError("LANDLOCK_UNAVAILABLE", "The kernel does not offer Landlock", {
      hint: "Use Linux 5.15 or newer, with landlock in the kernel's lsm= list",
    });
  }
  const limited = portOptions.filter((option) => ports[option] !== undefined);
  for (const option of limited) checkPortRight(option, abi);
  const net = maskOfRights(
    limited.map((option) => portRights[option]),
    abi,
  );
  const ruleset = landlockCreateRuleset(rulesetAttr(handledAccess(abi), net, scopes), 0);
  for (const option of limited) {
    const right = maskOfRights([portRights[option]], abi);
    for (const port of ports[option] ?? [])
      landlockAddRule(
        ruleset,
        LANDLOCK_RULE_NET_PORT,
        netPortAttr(right, port),
        `${hclName(option)} ${port}`,
      );
  }
  return ruleset;
}

function checkPortRight(option: PortOption, abi: number): void {
  const right = portRights[option];
  if (abi >= abiWith(right)) return;
  const name = hclName(option);
  throw new DriverError(
    "LANDLOCK_UNAVAILABLE",
    `The kernel's Landlock (ABI ${abi}) cannot restrict the ports of ${name}`,
    { option: name, hint: `Use ${kernelWith(right)}, or leave out ${name}` },
  );
}

/**
 * Checks that the kernel can restrict signals. In the host's pid namespace, only Landlock keeps a task from
 * signalling other processes of its user.
 * @throws DriverError `LANDLOCK_UNAVAILABLE` if the ABI has no scope for signals
 */
export function checkSignalScope(abi: number): void {
  if (abi >= abiWith("scope.signal")) return;
  throw new DriverError(
    "LANDLOCK_UNAVAILABLE",
    `The kernel's Landlock (ABI ${abi}) cannot keep a task from signalling the host's processes`,
    { hint: `Use ${kernelWith("scope.signal")}, or leave out pid_mode = "host"` },
  );
}
