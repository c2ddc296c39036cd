/** The `fingerprinted` event of a task: what the host offers. */
import type { HostFacts } from "../../effects/host/hostFacts.ts";
import type { EventData } from "../../machines/events.ts";

export function fingerprintedEvent(facts: HostFacts): EventData<"fingerprinted"> {
  const { kernel, arch, bootId, landlockAbi, cgroupControllers, mhzPerCore } = facts;
  return { kernel, arch, bootId, landlockAbi, cgroupControllers: [...cgroupControllers], mhzPerCore };
}
