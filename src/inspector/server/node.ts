/** Facts of this host, probed on request. */
import { type HostFacts, probeHost } from "../../effects/host/hostFacts.ts";

export interface Node {
  facts(): HostFacts;
}

export const thisNode: Node = { facts: () => probeHost() };
