/** Makes the inspector's page: its script, its style, and the state machine's chart, laid out once. */
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import ELK, { type ElkNode } from "elkjs";
import { build } from "rolldown";
import { toDirectedGraph } from "xstate/graph";
import type { ChartLayout } from "../src/inspector/chartLayout.ts";
import { taskMachine } from "../src/machines/taskMachine.ts";

const page = join(import.meta.dirname, "../src/inspector/page");

export async function buildInspectorPage(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await build({
    input: { page: join(page, "main.tsx") },
    platform: "browser",
    output: { dir: folder, format: "esm", minify: true, codeSplitting: false },
  });
  for (const name of ["index.html", "page.css", "icon.svg"])
    await copyFile(join(page, name), join(folder, name));
  await writeFile(join(folder, "chart.json"), JSON.stringify(await layOutChart()));
}

/** Letters of the chart's labels are about so wide and high, in its own units. */
const letter = { width: 6.2, height: 14 };

async function layOutChart(): Promise<ChartLayout> {
  const { children } = toDirectedGraph(taskMachine);
  const names = children.map(({ id }) => nameOf(id));
  const arrows = new Map<string, { from: string; to: string; events: string[] }>();
  for (const { source, target, transition } of children.flatMap(({ edges }) => edges)) {
    const [from, to] = [nameOf(source.id), nameOf(target.id)];
    // What leads nowhere else would be more lines than the chart has room for.
    if (from === to) continue;
    const arrow = arrows.get(`${from}>${to}`) ?? { from, to, events: [] };
    arrow.events.push(transition.eventType);
    arrows.set(`${from}>${to}`, arrow);
  }
  const graph: ElkNode = {
    id: "task",
    layoutOptions: {
      "elk.algorithm": "layered",
      "elk.direction": "DOWN",
      "elk.edgeRouting": "ORTHOGONAL",
      "elk.edgeLabels.inline": "true",
      "elk.spacing.nodeNode": "28",
      "elk.spacing.edgeNode": "14",
      "elk.layered.spacing.nodeNodeBetweenLayers": "26",
      "elk.layered.spacing.edgeNodeBetweenLayers": "14",
    },
    children: names.map((id) => ({ id, width: 112, height: 34 })),
    edges: Array.from(arrows, ([id, { from, to, events }]) => ({
      id,
      sources: [from],
      targets: [to],
      labels: [
        { text: events.join(", "), width: events.join(", ").length * letter.width, height: letter.height },
      ],
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
    arrows: (laid.edges ?? []).map(({ id, sections = [], labels = [] }) => ({
      from: id.split(">")[0] ?? "",
      to: id.split(">")[1] ?? "",
      points: sections.flatMap(({ startPoint, bendPoints = [], endPoint }) => [
        startPoint,
        ...bendPoints,
        endPoint,
      ]),
      label: labels[0]?.text ?? "",
      labelAt: {
        x: (labels[0]?.x ?? 0) + (labels[0]?.width ?? 0) / 2,
        y: (labels[0]?.y ?? 0) + letter.height / 2,
      },
    })),
  };
}

/** The graph's ids have the machine's name before them. */
function nameOf(id: string): string {
  return id.replace(/^.*\./, "");
}
