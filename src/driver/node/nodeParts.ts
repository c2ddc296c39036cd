/**
 * The parts of a node. Whatever opens, configures and closes them, or tells the agent and the verb `doctor` of
 * them, goes through this list.
 */

import { combineLatest, map, type Observable, of } from "rxjs";
import type { HostFacts } from "../../effects/host/hostFacts.ts";
import type { FoundOffer, NodeOffer } from "../../effects/host/hostHealth.ts";
import type { PluginOptions } from "../options/pluginOptions.ts";
import { recorder } from "./blackBox.ts";
import { candidate } from "./candidate.ts";
import { denials } from "./denials.ts";
import { disk } from "./disk.ts";
import { egress } from "./egress.ts";
import { journald } from "./journald.ts";
import type { NodeGround, NodePart } from "./nodePart.ts";
import { observer } from "./observe.ts";
import { roots } from "./roots.ts";
import { usage } from "./usage.ts";

/** In this order they are opened and told of, by the names that they have among the driver's services. */
const nodeParts = { roots, denials, recorder, observer, candidate, egress, journald, disk, usage };

type Parts = typeof nodeParts;
type KeptName = { [Name in keyof Parts]: Parts[Name] extends { open: unknown } ? Name : never }[keyof Parts];
/** What is kept of the parts. */
export type NodeServices = { readonly [Name in KeptName]: ReturnType<Parts[Name]["open"]> };

type Kept = Readonly<Record<string, object>>;
/** A part gets only what it has opened itself. */
const all = Object.entries(nodeParts) as unknown as readonly (readonly [string, NodePart<object>])[];

/** What a node may offer, whatever this host has. */
export const nodeOffers: readonly NodeOffer[] = all.flatMap(([, { offer }]) => offer ?? []);

/** @param undo disposes of what is kept, the last first */
export function openParts(ground: NodeGround, undo: AsyncDisposableStack): NodeServices {
  const kept: Record<string, object> = {};
  for (const [name, { open }] of all) {
    if (open === undefined) continue;
    const opened = open(ground);
    if (isDisposable(opened)) undo.use(opened);
    kept[name] = opened;
  }
  return kept as NodeServices;
}

/** Never rejects. @param isFirst whether nobody has asked yet whether the host can */
export async function configureParts(
  services: NodeServices,
  configuration: { readonly options: PluginOptions; readonly facts: HostFacts },
  isFirst: boolean,
): Promise<void> {
  await Promise.all(
    all.flatMap(([name, { probe, configure }]) => {
      const kept = (services as Kept)[name];
      if (kept === undefined) return [];
      return [isFirst ? probe?.(kept, configuration.facts) : undefined, configure?.(kept, configuration)];
    }),
  );
}

/** Emits what is known of the parts at once, and after every change. @param services undefined until they are open */
export function findingsOf(
  services: NodeServices | undefined,
  options: PluginOptions,
): Observable<() => readonly FoundOffer[]> {
  const kept = services as Kept | undefined;
  const changes = all.flatMap(([name, { offer }]) => {
    const own = kept?.[name];
    return own === undefined || offer?.changes === undefined ? [] : [offer.changes(own)];
  });
  const look = () =>
    all.flatMap(([name, { offer }]) => (offer ? [{ offer, finding: offer.now(kept?.[name], options) }] : []));
  return combineLatest([of(undefined), ...changes]).pipe(map(() => look));
}

/** What this host has, without a plugin. Changes nothing. Without root, only what can be found out without it. */
export async function findOffers(facts: HostFacts): Promise<readonly FoundOffer[]> {
  const found: FoundOffer[] = [];
  for (const [, { offer }] of all) {
    if (offer?.check === undefined || offer.find === undefined) continue;
    const isChecked = facts.root || offer.check.needsRoot !== true;
    found.push({ offer, finding: isChecked ? await offer.find(facts) : undefined });
  }
  return found;
}

function isDisposable(opened: object): opened is Disposable | AsyncDisposable {
  return Symbol.dispose in opened || Symbol.asyncDispose in opened;
}
