/** The capabilities that a task's options request. Pure. */

import { suggestion } from "../../base/suggest.ts";
import {
  ALL,
  type CapabilitySet,
  capabilityNames,
  capabilitySet,
  everyCapability,
  numberOf,
  plainName,
} from "../kernel/capabilities.ts";
import type { OptionProblem } from "../options/optionProblem.ts";

/** The problem with a name; undefined for a valid one. A name may have any case, and begin with `CAP_`. */
export function capabilityProblem(name: string): OptionProblem | undefined {
  const plain = plainName(name);
  if (plain === ALL || numberOf(plain) >= 0) return undefined;
  return {
    message: `(${JSON.stringify(name)}) is not a capability`,
    hint: suggestion(plain, [...capabilityNames, ALL]),
  };
}

export interface CapabilityOptions {
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
}

/** How `cap_add` and `cap_drop` contradict each other; undefined if they do not. */
export function contradiction({ capAdd, capDrop }: CapabilityOptions): string | undefined {
  const dropped = new Set(capDrop.map(plainName));
  const both = capAdd.map(plainName).find((name) => dropped.has(name));
  return both && `"cap_add" and "cap_drop" both name ${both}`;
}

/**
 * The capabilities that a task requests. If one option is `all`, the other lists the exceptions: `cap_drop =
 * ["all"]` with `cap_add = ["kill"]` leaves only kill, `cap_add = ["all"]` with `cap_drop = ["kill"]` leaves
 * all but kill.
 * @param base the task's capabilities without these options: for root, those that the plugin allows; for
 *   other users, none
 */
export function wantedCapabilities(
  base: CapabilitySet,
  { capAdd, capDrop }: CapabilityOptions,
): CapabilitySet {
  const added = capabilitySet(capAdd);
  const dropped = capabilitySet(capDrop);
  return dropped === everyCapability ? added : (base | added) & ~dropped;
}
