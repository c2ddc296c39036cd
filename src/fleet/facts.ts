/** The facts by which allocations are compared, and their words. Pure. */
import { formatZonedTime } from "../units/times.ts";
import type { FleetAllocation } from "./allocation.ts";
import { createdSince, type Difference, type Fact, nodeAttribute } from "./ranking.ts";
import { driverName, type NodeStub } from "./stubs.ts";

/** What an allocation has itself. */
export function factsOfAllocation({ jobVersion, index, group }: FleetAllocation): Fact[] {
  return [
    { attribute: "job version", value: String(jobVersion) },
    { attribute: "group", value: group },
    ...(index === null ? [] : [{ attribute: "instance", value: String(index) }]),
  ];
}

/** The names of attributes whose own names say less, in the order in which equal ones are named. */
const names: Readonly<Record<string, string>> = {
  "kernel.version": "kernel",
  "driver.exec2.version": "driver version",
  "cpu.modelname": "CPU",
  "os.version": "os.version",
  "nomad.version": "Nomad",
  "cpu.arch": "architecture",
};

/** What a node has. Attributes that belong to one node alone, such as its address, are none of them. */
export function factsOfNode(node: NodeStub): Fact[] {
  const { Datacenter, NodeClass, NodePool, Meta, Drivers } = node;
  const attributes = { ...node.Attributes, ...Drivers?.[driverName]?.Attributes };
  const kernel = attributes["kernel.version"];
  const [series] = /^\d+\.\d+/.exec(kernel ?? "") ?? [];
  const first = Object.keys(names).flatMap((key) => factOf(names[key] as string, attributes[key]));
  const rest = Object.entries(attributes)
    .filter(([key]) => names[key] === undefined && !key.startsWith("unique."))
    .sort(([one], [other]) => (one < other ? -1 : 1));
  return [
    ...first.slice(0, 2),
    ...factOf("node class", NodeClass),
    ...factOf("datacenter", Datacenter),
    ...factOf("node pool", NodePool),
    ...first.slice(2),
    ...factOf("kernel series", series),
    ...rest.flatMap(([key, value]) => factOf(key, value)),
    ...Object.entries(Meta ?? {}).flatMap(([key, value]) => factOf(`meta.${key}`, value)),
  ];
}

function factOf(attribute: string, value: string | undefined): Fact[] {
  return value === undefined || value === "" ? [] : [{ attribute, value }];
}

const maxNodes = 5;
/** client-4 comes before client-11. */
export const byNumbers = new Intl.Collator("en", { numeric: true });
const maxValue = 60;

/**
 * `kernel 6.1.57`, `node client-3`, `nodes client-3, client-7`, `no node class`.
 * @param nameOf the name of a node
 */
export function factText(
  { attribute, value, nodes = [] }: Fact & Pick<Difference, "nodes">,
  nameOf: (node: string) => string,
): string {
  if (attribute === nodeAttribute) {
    const ids = nodes.length > 0 ? nodes : [value ?? ""];
    const named = ids.map(nameOf).sort(byNumbers.compare).slice(0, maxNodes).join(", ");
    const more = ids.length > maxNodes ? ` and ${ids.length - maxNodes} more` : "";
    return `${ids.length === 1 ? "node" : "nodes"} ${named}${more}`;
  }
  if (attribute === createdSince) return `created since ${formatZonedTime(Number(value))}`;
  if (value === null) return `no ${attribute}`;
  const shown = value.length > maxValue ? `${value.slice(0, maxValue - 1)}…` : value;
  return /^[a-z0-9_]+\.|=/.test(attribute) ? `${attribute} = ${shown}` : `${attribute} ${shown}`;
}

/** The same with the word that joins it to "failed": `on kernel 6.1.57`, `in datacenter dc2`. */
export function wherePhrase(
  fact: Fact & Pick<Difference, "nodes">,
  nameOf: (node: string) => string,
): string {
  return `${prepositionOf(fact)}${factText(fact, nameOf)}`;
}

function prepositionOf({ attribute, value }: Fact): string {
  if (attribute === createdSince) return "";
  if (attribute === "job version" || attribute === "group" || attribute === "instance") return "of ";
  if (attribute === nodeAttribute || (attribute === "kernel" && value !== null)) return "on ";
  if (value === null) return "on nodes with ";
  if (attribute === "datacenter" || attribute === "node class" || attribute === "node pool") return "in ";
  return "on nodes with ";
}
