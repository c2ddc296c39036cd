/** A run without a host. The test decides the outcome of effects. */

import type { Run } from "../../../src/driver/run/run.ts";
import type { EffectName } from "../../../src/machines/effects.ts";

export function runThat(does: (effect: EffectName) => void): Run {
  return { carryOut: async (effect) => does(effect) } as Pick<Run, "carryOut"> as Run;
}
