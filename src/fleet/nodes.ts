/** What the nodes of a fleet have: driver, kernel, health, and where they differ. Pure. */
import { byNumbers } from "./facts.ts";
import { driverName, type NodeStub } from "./stubs.ts";

export interface FleetNodes {
  /** By name. */
  readonly nodes: readonly FleetNode[];
  /** The newest version of the driver on any node; null if none tells its version. */
  readonly newest: string | null;
  /** Names of nodes whose driver is older than the newest one, or tells no version, as HashiCorp's. */
  readonly behind: readonly string[];
  /** Names of nodes without the driver. */
  readonly without: readonly string[];
  /** Attributes of the driver that nodes have differently, by their plugin block or by their host. */
  readonly differences: readonly AttributeDifference[];
}

export interface FleetNode {
  readonly id: string;
  readonly name: string;
  readonly datacenter: string;
  readonly nodeClass: string;
  readonly nodePool: string;
  /** Such as `ready`, `down`. */
  readonly status: string;
  /** Whether it gets new allocations. */
  readonly eligible: boolean;
  /** Version of the driver; null if it is not there or tells none. */
  readonly driver: string | null;
  readonly kernel: string | null;
  readonly landlockAbi: number | null;
  readonly nomad: string | null;
  /** Of the driver. */
  readonly health: "healthy" | "unhealthy" | "undetected";
  /** What is wrong with it, as the driver says; empty if nothing is. */
  readonly reasons: string;
}

export interface AttributeDifference {
  /** Without `driver.exec2.`. */
  readonly attribute: string;
  /** The commonest first. */
  readonly values: readonly {
    /** Null where the attribute is missing. */
    readonly value: string | null;
    /** Names of the nodes. */
    readonly nodes: readonly string[];
  }[];
}

export function describeNodes(stubs: readonly NodeStub[]): FleetNodes {
  const sorted = stubs.toSorted((one, other) => byNumbers.compare(one.Name, other.Name));
  const nodes = sorted.map(describeNode);
  const having = nodes.filter(({ health }) => health !== "undetected");
  const newest =
    having
      .flatMap(({ driver }) => driver ?? [])
      .sort(compareVersions)
      .at(-1) ?? null;
  return {
    nodes,
    newest,
    behind: having.filter(({ driver }) => driver !== newest).map(({ name }) => name),
    without: nodes.filter(({ health }) => health === "undetected").map(({ name }) => name),
    differences: differencesOf(sorted.filter((stub) => stub.Drivers?.[driverName]?.Detected === true)),
  };
}

function describeNode(stub: NodeStub): FleetNode {
  const { Attributes, Drivers } = stub;
  const driver = Drivers?.[driverName];
  const of = (name: string) => Attributes?.[name] || null;
  const abi = of(`${prefix}landlock.abi`) ?? driver?.Attributes?.[`${prefix}landlock.abi`];
  return {
    ...{ id: stub.ID, name: stub.Name, datacenter: stub.Datacenter },
    ...{ nodeClass: stub.NodeClass, nodePool: stub.NodePool, status: stub.Status },
    eligible: stub.SchedulingEligibility === "eligible" && !stub.Drain,
    driver: of(`${prefix}version`) ?? driver?.Attributes?.[`${prefix}version`] ?? null,
    ...{ kernel: of("kernel.version"), nomad: of("nomad.version") },
    landlockAbi: abi == null ? null : Number(abi),
    health: driver?.Detected !== true ? "undetected" : driver.Healthy ? "healthy" : "unhealthy",
    reasons: (driver?.HealthDescription ?? "").replace(/^healthy(?:, but )?/i, ""),
  };
}

const prefix = "driver.exec2.";

/** What a table of versions has already, and what is a sentence about another attribute. */
const shownElsewhere = /^(?:version|landlock\.abi|.*\.problem)$/;

function differencesOf(stubs: readonly NodeStub[]): AttributeDifference[] {
  const all = stubs.map(({ Name, Attributes, Drivers }) => ({
    name: Name,
    attributes: { ...Attributes, ...Drivers?.[driverName]?.Attributes },
  }));
  const names = new Set(all.flatMap(({ attributes }) => Object.keys(attributes)));
  return [...names]
    .filter((name) => name.startsWith(prefix) && !shownElsewhere.test(name.slice(prefix.length)))
    .sort()
    .flatMap((name) => {
      const groups = Map.groupBy(all, ({ attributes }) => attributes[name] ?? null);
      if (groups.size < 2) return [];
      const values = [...groups]
        .map(([value, nodes]) => ({ value, nodes: nodes.map((each) => each.name) }))
        .sort((one, other) => other.nodes.length - one.nodes.length);
      return [{ attribute: name.slice(prefix.length), values }];
    });
}

/** A version with a suffix, such as 1.0.0-rc.1, is older than the one without. */
export function compareVersions(one: string, other: string): number {
  const [[a = "", ...before], [b = "", ...after]] = [one.split("-"), other.split("-")];
  return (
    byNumbers.compare(a, b) ||
    Number(before.length === 0) - Number(after.length === 0) ||
    byNumbers.compare(before.join("-"), after.join("-"))
  );
}
