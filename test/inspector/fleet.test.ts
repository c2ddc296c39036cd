/** What the inspector answers of a cluster. */
import { expect, it } from "vitest";
import type { FleetAnswer, FleetView } from "../../src/inspector/views/fleetView.ts";
import { life } from "../support/history/history.ts";
import { eventually } from "../support/host/eventually.ts";
import { madeCluster } from "../support/nomad/cluster.ts";
import { fleetSource } from "../support/nomad/fleetSource.ts";
import { get, type Inspected, startInspector } from "../support/screen/inspector.ts";

const planted = { nodes: [4, 11, 27], kernel: "6.1.57", failing: 1 };
const cluster = () => madeCluster({ seed: 1, nodes: 30, allocations: 412, failing: 0, planted });
const token = "11f2ff0e-5a51-4c2d-b0d3-1d1f3e2a4b5c";

async function viewIn({ ask }: Inspected): Promise<FleetView> {
  const answer = JSON.parse((await ask("/api/fleet")).body) as FleetAnswer;
  if ("error" in answer) throw new Error(answer.error);
  return answer.view;
}

it("has a cluster's failures by cause, node and time", async () => {
  const view = await viewIn(await startInspector(await fleetSource(cluster())));
  const [group] = view.groups;
  expect(view).toMatchObject({
    job: "web",
    namespace: "default",
    failed: group?.failed,
    other: 0,
    notes: [],
  });
  expect(group?.named.map(({ what }) => what)).toEqual(["kernel 6.1.57"]);
  expect(view.nodes.map(({ name }) => name).toSorted()).toEqual(["client-11", "client-27", "client-4"]);
  expect(view.nodes.reduce((sum, { failed }) => sum + failed, 0)).toBe(view.failed);
  expect(view.times).toHaveLength(view.failed);
});

it("leads to an allocation whose history it has, and to no other", async () => {
  const inspected = await startInspector(await fleetSource(cluster()));
  const [first, second] = (await viewIn(inspected)).groups[0]?.examples ?? [];
  expect([first?.isKnown, second?.isKnown]).toEqual([false, false]);
  await inspected.record(`${first?.id}/main/00000000`, life("ended"));
  await eventually(async () => {
    const [known, other] = (await viewIn(inspected)).groups[0]?.examples ?? [];
    expect([known?.isKnown, other?.isKnown]).toEqual([true, false]);
  });
});

it("is read once for all pages, and answers nobody without the page's token", async () => {
  const source = await fleetSource(cluster());
  const inspected = await startInspector(source);
  await Promise.all([viewIn(inspected), viewIn(inspected), viewIn(inspected)]);
  await viewIn(inspected);
  expect(source.requests).toHaveLength(31);
  expect((await get(new URL("/api/fleet", inspected.server.url).href, {})).status).toBe(401);
});

it("that cannot be read is told with the reason, without Nomad's token", async () => {
  const source = await fleetSource(cluster(), { tokens: {} }, token);
  const { body, status } = await (await startInspector(source)).ask("/api/fleet");
  expect(status).toBe(200);
  expect(body).toContain("NOMAD_REFUSED: Nomad refuses /v1/allocations with this token");
  expect(body).not.toContain(token);
});

it("is not there without --fleet", async () => {
  const { ask } = await startInspector();
  expect((await ask("/api/fleet")).status).toBe(404);
  expect(JSON.parse((await ask("/api/status")).body)).not.toHaveProperty("fleet");
});
