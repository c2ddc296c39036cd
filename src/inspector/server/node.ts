/** What this host offers, looked at when it is asked for. */
import { type HostFacts, probeHost } from "../../effects/host/hostFacts.ts";

export interface Node {
  facts(): HostFacts;
}

export const thisNode: Node = { facts: () => probeHost() };
