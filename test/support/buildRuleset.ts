/** Rulesets that no launch needs. */
import { closeSync } from "node:fs";
import { type AddedRules, addRules, type OpenedPath } from "../../src/effects/landlock/rules.ts";
import { createRuleset } from "../../src/effects/landlock/ruleset.ts";
import type { PortLimits } from "../../src/effects/network/ports.ts";
import type { UnveilRule } from "../../src/effects/unveil/unveilRules.ts";

export interface Ruleset extends AddedRules {
  /** The ruleset's descriptor, close-on-exec. The caller closes it. */
  readonly fd: number;
}

/**
 * Creates a ruleset with rules.
 * @throws DriverError as {@link createRuleset} and {@link addRules} do
 */
export function buildRuleset(
  entries: readonly UnveilRule[],
  extra: readonly OpenedPath[],
  abi: number,
  scopes?: number,
  ports?: PortLimits,
): Ruleset {
  const fd = createRuleset(abi, ports, scopes);
  try {
    return { fd, ...addRules(fd, entries, extra, abi) };
  } catch (thrown) {
    closeSync(fd);
    throw thrown;
  }
}
