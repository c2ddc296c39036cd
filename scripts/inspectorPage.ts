/** Builds the inspector's page: its script, its style, and the layout of the state machine's chart. */
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import ELK, { type ElkExtendedEdge, type ElkNode } from "elkjs";
import { build } from "rolldown";
import { toDirectedGraph } from "xstate/graph";
import type { ChartArrow, ChartLayout, Point } from "../src/inspector/views/chartLayout.ts";
import { taskMachine } from "../src/machines/taskMachine.ts";

const page = join(import.meta.dirname, "../src/inspector/page");

/** Entry points by the names of their scripts. */
const pages = { page: "main.tsx", stately: "stately/main.tsx" };

/** The order matters, because later rules override earlier ones. */
const styles = [
  "base",
  "frame",
  "cards",
  "list",
  "task",
  "timeline",
  "usage",
  "chart",
  "lanes",
  "logs",
  "compare",
  "node",
  "print",
];

/** @returns the packages whose code is in the pages' scripts */
export async function buildInspectorPage(folder: string): Promise<ReadonlySet<string>> {
  await mkdir(folder, { recursive: true });
  const modules: string[] = [];
  for (const [name, entry] of Object.entries(pages)) {
    const { output } = await build({
      input: { [name]: join(page, entry) },
      platform: "browser",
      output: { dir: folder, format: "esm", minify: true, codeSplitting: false },
    });
    modules.push(...output[0].moduleIds);
  }
  for (const name of ["index.html", "stately.html", "icon.svg"])
    await copyFile(join(page, name), join(folder, name));
  const sheets = styles.map((name) => readFile(join(page, "style", `${name}.css`), "utf8"));
  await writeFile(join(folder, "page.css"), (await Promise.all(sheets)).join(""));
  await writeFile(join(folder, "chart.json"), JSON.stringify(await chartLayout()));
  return new Set(modules.flatMap((id) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(id)?.[1] ?? []));
}

/**
 * The size of a bold letter in the chart's labels, and the space beside a label, in the chart's own units.
 */
const letter = { width: 8.2, height: 17 };
const labelMargin = 8;
/** Width that a label keeps free for the numbers of the steps that took the arrow. */
const numbersWidth = 34;

/** All transitions to a state by the same event. */
interface MergedTransitions {
  readonly event: string;
  readonly to: string;
  /** All states from which the event leads to `to`. */
  readonly from: string[];
}

async function chartLayout(): Promise<ChartLayout> {
  const { children } = toDirectedGraph(taskMachine);
  const merged = new Map<string, MergedTransitions>();
  for (const { source, target, transition } of children.flatMap(({ edges }) => edges)) {
    const [from, to, event] = [nameOf(source.id), nameOf(target.id), transition.eventType];
    // Arrows from a state to itself would clutter the chart.
    if (from === to) continue;
    const known: MergedTransitions = merged.get(`${event}>${to}`) ?? { event, to, from: [] };
    known.from.push(from);
    merged.set(`${event}>${to}`, known);
  }
  const edges = Array.from(merged.values()).flatMap(edgesOf);
  const joints = Array.from(merged.values()).filter(hasJoint);
  const graph: ElkNode = {
    id: "task",
    layoutOptions: {
      "elk.algorithm": "layered",
      "elk.direction": "DOWN",
      "elk.edgeRouting": "ORTHOGONAL",
      // Keeps the machine's order of states, from the request to the end.
      "elk.layered.cycleBreaking.strategy": "MODEL_ORDER",
      "elk.spacing.nodeNode": "18",
      "elk.spacing.edgeNode": "10",
      "elk.spacing.edgeEdge": "8",
      "elk.layered.nodePlacement.strategy": "NETWORK_SIMPLEX",
      "elk.layered.thoroughness": "60",
      "elk.layered.spacing.nodeNodeBetweenLayers": "18",
      "elk.layered.spacing.edgeNodeBetweenLayers": "10",
      "elk.layered.spacing.edgeEdgeBetweenLayers": "8",
    },
    // A joint of arrows comes before the state to which the arrows lead.
    children: children.flatMap(({ id }) => [
      ...joints.filter(({ to }) => to === nameOf(id)).map(jointNode),
      { id: nameOf(id), width: 116, height: 36 },
    ]),
    edges: edges.map(({ id, source, target, label }) => ({
      id,
      sources: [source],
      targets: [target],
      labels: label === undefined ? [] : [labelOf(label)],
    })),
  };
  const laid = await new ELK.default().layout(graph);
  const placed = new Map((laid.edges ?? []).map((edge) => [edge.id, edge]));
  return {
    width: Math.ceil(laid.width ?? 0),
    height: Math.ceil(laid.height ?? 0),
    states: (laid.children ?? [])
      .filter(({ id }) => !id.includes(">"))
      .map(({ id, x = 0, y = 0, width = 0, height = 0 }) => ({ id, x, y, width, height })),
    arrows: edges.map(({ id, transitions, hasHead }) => arrowOf(placed.get(id), transitions, hasHead)),
  };
}

interface Edge {
  readonly id: string;
  readonly source: string;
  readonly target: string;
  /** The label; undefined if none is needed. */
  readonly label: string | undefined;
  readonly transitions: ChartArrow["transitions"];
  readonly hasHead: boolean;
}

/** Whether the arrows of an event from several states join, so that the event's name is shown only once. */
function hasJoint({ event, to, from }: MergedTransitions): boolean {
  return from.length > 1 && event !== to;
}

function edgesOf(merged: MergedTransitions): Edge[] {
  const { event, to, from } = merged;
  // If the target state has the event's name, the arrow needs no label.
  const label = event === to ? undefined : event;
  const transitions = from.map((each) => ({ from: each, to, event }));
  if (!hasJoint(merged)) {
    return transitions.map((each) => ({
      ...{ id: `${each.from}>${event}>${to}`, source: each.from, target: to },
      ...{ label, transitions: [each], hasHead: true },
    }));
  }
  const joint = jointOf(merged);
  return [
    ...transitions.map((each) => ({
      ...{ id: `${each.from}>${joint}`, source: each.from, target: `${joint} in`, label: undefined },
      ...{ transitions: [each], hasHead: false },
    })),
    { id: `>${joint}`, source: `${joint} out`, target: to, label, transitions, hasHead: true },
  ];
}

function jointOf({ event, to }: MergedTransitions): string {
  return `${event}>${to}`;
}

/** The joint's node. All joining arrows touch it at the same point. */
function jointNode(merged: MergedTransitions): ElkNode {
  const id = jointOf(merged);
  return {
    id,
    width: 2,
    height: 2,
    layoutOptions: { "elk.portConstraints": "FIXED_POS" },
    ports: [
      { id: `${id} in`, x: 1, y: 0, width: 0, height: 0, layoutOptions: { "elk.port.side": "NORTH" } },
      { id: `${id} out`, x: 1, y: 2, width: 0, height: 0, layoutOptions: { "elk.port.side": "SOUTH" } },
    ],
  };
}

function labelOf(text: string) {
  return {
    text,
    width: text.length * letter.width + numbersWidth + labelMargin,
    height: letter.height,
    layoutOptions: { "elk.edgeLabels.inline": "true" },
  };
}

function arrowOf(
  edge: ElkExtendedEdge | undefined,
  transitions: ChartArrow["transitions"],
  hasHead: boolean,
): ChartArrow {
  const { sections = [], labels = [] } = edge ?? {};
  const points = sections.flatMap(({ startPoint, bendPoints = [], endPoint }) =>
    [startPoint, ...bendPoints, endPoint].map(({ x, y }) => ({ x, y })),
  );
  const [label] = labels;
  return {
    transitions,
    points,
    hasHead,
    label: label?.text ?? "",
    middle:
      label === undefined
        ? middleOf(points)
        : { x: (label.x ?? 0) + (label.width ?? 0) / 2, y: (label.y ?? 0) + letter.height / 2 },
  };
}

function middleOf(points: readonly Point[]): Point {
  const stretches = points.slice(1).map((end, index) => ({ start: points[index] ?? end, end }));
  const length = ({ start, end }: (typeof stretches)[number]) =>
    Math.abs(end.x - start.x) + Math.abs(end.y - start.y);
  const [longest] = stretches.sort((a, b) => length(b) - length(a));
  if (longest === undefined) return { x: 0, y: 0 };
  const { start, end } = longest;
  return { x: (start.x + end.x) / 2, y: (start.y + end.y) / 2 };
}

/** Removes the machine's name, with which the graph's ids begin. */
function nameOf(id: string): string {
  return id.replace(/^.*\./, "");
}
