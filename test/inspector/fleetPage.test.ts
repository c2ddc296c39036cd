/** The page of a cluster's failures. */
import { expect, it } from "vitest";
import { madeCluster } from "../support/nomad/cluster.ts";
import { fleetSource } from "../support/nomad/fleetSource.ts";
import { expectAccessible, openPage, screenshot } from "../support/screen/browserPage.ts";
import { startInspector } from "../support/screen/inspector.ts";

const planted = { nodes: [4, 11, 27], kernel: "6.1.57", failing: 1 };
const cluster = madeCluster({ seed: 1, nodes: 30, allocations: 412, failing: 0, planted });

it.for([
  ["light", 1_200],
  ["dark", 390],
] as const)(
  "shows what sets the failed ones apart, and their nodes: %s, %d wide",
  async ([colorScheme, width], context) => {
    const { server } = await startInspector(await fleetSource(cluster));
    const page = await openPage(context, `${server.url}#/fleet`, {
      colorScheme,
      viewport: { width, height: 800 },
    });
    await page.getByRole("heading", { name: "Failures over time" }).waitFor();
    const text = await page.locator("main").textContent();
    expect(text).toMatch(/\d+ of 412 allocations failed so, all on kernel 6\.1\.57/);
    expect(text).toContain("client-11");
    expect(await page.getByRole("link", { name: "Fleet" }).count()).toBe(1);
    await expectAccessible(page);
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
    await page.screenshot({ path: screenshot(`fleet-${colorScheme}-${width}`), fullPage: true });
  },
);

it("is not in the header without a cluster", async (context) => {
  const { server } = await startInspector();
  const page = await openPage(context, server.url);
  await page.getByRole("link", { name: "Failures" }).waitFor();
  expect(await page.getByRole("link", { name: "Fleet" }).count()).toBe(0);
});
