/** Builds the inspector's page: its script, its style, and the layout of the state machine's chart. */
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import ELK, { type ElkExtendedEdge, type ElkNode } from "elkjs";
import { build } from "rolldown";
import { toDirectedGraph } from "xstate/graph";
import type { ChartArrow, ChartLayout, Point } from "../src/inspector/views/chartLayout.ts";
import { taskMachine } from "../src/machines/xstateMachine.ts";

const page = join(import.meta.dirname, "../src/inspector/page");

/** In this order, since later rules override earlier ones. */
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
  "bundle",
  "print",
  "node",
];

export async function buildInspectorPage(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await build({
    input: { page: join(page, "main.tsx") },
    platform: "browser",
    output: { dir: folder, format: "esm", minify: true, codeSplitting: false },
  });
  for (const name of ["index.html", "icon.svg"]) await copyFile(join(page, name), join(folder, name));
  const sheets = styles.map((name) => readFile(join(page, "style", `${name}.css`), "utf8"));
  await writeFile(join(folder, "page.css"), (await Promise.all(sheets)).join(""));
  await writeFile(join(folder, "chart.json"), JSON.stringify(await layOutChart()));
}

/** Approximate size of a letter in the chart's labels, in its own units, and the space beside a label. */
const letter = { width: 7.4, height: 17 };
const air = 8;

async function layOutChart(): Promise<ChartLayout> {
  const { children } = toDirectedGraph(taskMachine);
  const arrows = new Map<string, { from: string; to: string; events: string[] }>();
  for (const { source, target, transition } of children.flatMap(({ edges }) => edges)) {
    const [from, to] = [nameOf(source.id), nameOf(target.id)];
    // The chart has no room for arrows from a state to itself.
    if (from === to) continue;
    const arrow = arrows.get(`${from}>${to}`) ?? { from, to, events: [] };
    if (transition.eventType !== to) arrow.events.push(transition.eventType);
    arrows.set(`${from}>${to}`, arrow);
  }
  const graph: ElkNode = {
    id: "task",
    layoutOptions: {
      "elk.algorithm": "layered",
      "elk.direction": "DOWN",
      "elk.edgeRouting": "ORTHOGONAL",
      "elk.edgeLabels.inline": "true",
      "elk.spacing.nodeNode": "20",
      "elk.spacing.edgeNode": "10",
      "elk.spacing.edgeEdge": "8",
      "elk.layered.nodePlacement.strategy": "NETWORK_SIMPLEX",
      "elk.layered.thoroughness": "40",
      "elk.layered.spacing.nodeNodeBetweenLayers": "22",
      "elk.layered.spacing.edgeNodeBetweenLayers": "12",
      "elk.layered.spacing.edgeEdgeBetweenLayers": "8",
    },
    children: children.map(({ id }) => ({ id: nameOf(id), width: 116, height: 36 })),
    edges: Array.from(arrows, ([id, { from, to, events }]) => ({
      id,
      sources: [from],
      targets: [to],
      labels: events.map((text) => ({
        text,
        width: text.length * letter.width + air,
        height: letter.height,
      })),
    })),
  };
  const laid = await new ELK.default().layout(graph);
  return {
    width: Math.ceil(laid.width ?? 0),
    height: Math.ceil(laid.height ?? 0),
    states: (laid.children ?? []).map(({ id, x = 0, y = 0, width = 0, height = 0 }) => ({
      id,
      x,
      y,
      width,
      height,
    })),
    arrows: (laid.edges ?? []).map(arrowOf),
  };
}

function arrowOf({ sources, targets, sections = [], labels = [] }: ElkExtendedEdge): ChartArrow {
  const points = sections.flatMap(({ startPoint, bendPoints = [], endPoint }) =>
    [startPoint, ...bendPoints, endPoint].map(({ x, y }) => ({ x, y })),
  );
  return {
    from: sources[0] ?? "",
    to: targets[0] ?? "",
    points,
    labels: labels.map(({ text = "", x = 0, y = 0, width = 0 }) => ({
      text,
      x: x + width / 2,
      y: y + letter.height / 2,
    })),
    middle: middleOf(points),
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
