import { recorder } from "../../../src/driver/node/blackBox.ts";
import { denials } from "../../../src/driver/node/denials.ts";
import { disk } from "../../../src/driver/node/disk.ts";
import { egress } from "../../../src/driver/node/egress.ts";
import { journald } from "../../../src/driver/node/journald.ts";
import { observer } from "../../../src/driver/node/observe.ts";
import { roots } from "../../../src/driver/node/roots.ts";
import type { Finding, FoundOffer } from "../../../src/effects/host/hostHealth.ts";

const parts = { roots, denials, recorder, observer, egress, journald, disk };

/** What a node offers. What is not named has no problem; what is named as undefined was not looked for. */
export function offersWith(
  findings: { readonly [Name in keyof typeof parts]?: Finding | undefined } = {},
): FoundOffer[] {
  const found: Record<string, Finding | undefined> = findings;
  return Object.entries(parts).map(([name, { offer }]) => ({
    offer,
    finding: name in found ? found[name] : {},
  }));
}
