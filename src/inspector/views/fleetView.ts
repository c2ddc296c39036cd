/** A fleet's failures as the page shows them. Pure. */
import type { FailureGroup, FleetWhy } from "../../fleet/why.ts";

export interface FleetScope {
  /** Null for all jobs of this driver. */
  readonly job: string | null;
  readonly namespace: string;
}

export interface FleetView extends FleetScope, Omit<FleetWhy, "groups"> {
  /** When it was read: milliseconds since the epoch. */
  readonly readAt: number;
  readonly groups: readonly FleetGroup[];
  /** Nodes with failures, those with the most first. */
  readonly nodes: readonly { readonly name: string; readonly failed: number; readonly all: number }[];
  /** When each allocation failed. */
  readonly times: readonly number[];
}

export interface FleetGroup extends Omit<FailureGroup, "examples"> {
  readonly examples: readonly {
    readonly id: string;
    /** Whether this inspector has the histories of its tasks. */
    readonly isKnown: boolean;
  }[];
}

/** What cannot be read is told with its reason. */
export type FleetAnswer = { readonly view: FleetView } | { readonly error: string };

export interface FleetFailure {
  readonly nodeName: string;
  readonly failure: { readonly atMs: number } | undefined;
}

const maxNodes = 20;

export function fleetView(
  scope: FleetScope,
  { groups, ...counts }: FleetWhy,
  allocations: readonly FleetFailure[],
  { readAt, isKnown }: { readonly readAt: number; readonly isKnown: (allocation: string) => boolean },
): FleetView {
  const nodes = [...Map.groupBy(allocations, ({ nodeName }) => nodeName)].map(([name, own]) => ({
    ...{ name, failed: own.filter(({ failure }) => failure !== undefined).length, all: own.length },
  }));
  return {
    ...{ ...scope, ...counts, readAt },
    groups: groups.map((group) => ({
      ...group,
      examples: group.examples.map((id) => ({ id, isKnown: isKnown(id) })),
    })),
    nodes: nodes
      .filter(({ failed }) => failed > 0)
      .sort((one, other) => other.failed - one.failed)
      .slice(0, maxNodes),
    times: allocations.flatMap(({ failure }) => (failure === undefined ? [] : [failure.atMs])),
  };
}
