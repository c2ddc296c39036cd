/** The answer of `fleet nodes` as text. Pure. */
import { agentProblem } from "../../../fleet/agentVersions.ts";
import type { FleetNode, FleetNodes } from "../../../fleet/nodes.ts";
import { countOf } from "../../../units/counts.ts";
import { visible } from "../../../units/visible.ts";
import { wrap } from "../../../units/widths.ts";
import type { Style } from "../../terminal/style.ts";
import { formatTable } from "../../terminal/table.ts";

export function fleetNodesText(fleet: FleetNodes, style: Style, width: number): string {
  const { nodes, differences } = fleet;
  if (nodes.length === 0) return "There are no nodes";
  const head = ["node", "status", "driver", "kernel", "Landlock", "health"].map(style.bold);
  const table = formatTable([head, ...nodes.map((node) => rowOf(node, style))], width);
  const findings = findingsIn(fleet).map((line) => wrap(visible(line), width).join("\n"));
  const values = differences.flatMap(({ attribute, values }) =>
    values.map(({ value, nodes: names }, index) => [
      index === 0 ? visible(attribute) : "",
      visible(value ?? "(not there)"),
      index === 0 ? countOf(names.length, "node") : visible(listOf(names)),
    ]),
  );
  const differing =
    values.length === 0
      ? "All nodes with the driver offer tasks the same"
      : `What nodes offer tasks differently, by their plugin block or their host:\n${formatTable(values, width)}`;
  return [table, [...findings, differing].join("\n")].join("\n\n");
}

function rowOf(node: FleetNode, style: Style): string[] {
  const { name, status, eligible, driver, kernel, landlockAbi, health, reasons } = node;
  const isUp = status === "ready";
  const state = isUp && !eligible ? "not eligible" : status;
  const isWell = health === "healthy" && reasons === "";
  const words = [
    health === "undetected" ? "no driver" : health,
    ...(reasons === "" ? [] : [visible(reasons)]),
  ];
  return [
    visible(name),
    isUp && eligible ? state : style.yellow(visible(state)),
    visible(driver ?? "–"),
    visible(kernel ?? "–"),
    landlockAbi === null ? "–" : `ABI ${landlockAbi}`,
    isWell ? health : (health === "healthy" ? style.yellow : style.red)(words.join(": ")),
  ];
}

/** What to know of the nodes' agents, with the nodes. */
function agentFindings(nodes: readonly FleetNode[]): string[] {
  const known = nodes.flatMap(({ name, nomad }) => {
    const problem = nomad === null ? undefined : agentProblem(nomad);
    return problem === undefined ? [] : [{ name, ...problem }];
  });
  return [...Map.groupBy(known, ({ what }) => what)].map(
    ([what, those]) => `${what}: ${listOf(those.map(({ name }) => name))}. ${those[0]?.remedy}`,
  );
}

function findingsIn({ nodes, newest, behind, without }: FleetNodes): string[] {
  const kinds = (names: readonly string[], of: string) =>
    `${countOf(names.length, "node")} ${of}: ${listOf(names)}`;
  const having = nodes.length - without.length;
  return [
    ...(newest === null
      ? []
      : [`Driver ${newest} is on ${having - behind.length} of ${countOf(nodes.length, "node")}`]),
    ...(behind.length === 0
      ? []
      : [
          kinds(
            behind,
            behind.length === 1 ? "lacks it and has another version" : "lack it and have another version",
          ),
        ]),
    ...(without.length === 0
      ? []
      : [kinds(without, without.length === 1 ? "has no driver" : "have no driver")]),
    ...agentFindings(nodes.filter(({ health }) => health !== "undetected")),
  ];
}

const maxNames = 10;

function listOf(names: readonly string[]): string {
  const more = names.length > maxNames ? ` and ${names.length - maxNames} more` : "";
  return names.slice(0, maxNames).join(", ") + more;
}
