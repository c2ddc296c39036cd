/**
 * Checks every view of the page, on a phone and on a wide screen, in both themes: axe-core has no finding,
 * the page does not scroll sideways, and a reload shows the same view. Screenshots go to
 * test-results/inspector.
 */
import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { toTaskId } from "../../src/base/taskId.ts";
import type { BundleHeader } from "../../src/history/replay/bundle/bundleFormat.ts";
import { appendUsage } from "../../src/store/usage/usageFile.ts";
import { makeOutput } from "../support/agent/taskOutput.ts";
import { allocation, lifeFrom, recordAllocation, runOf } from "../support/history/allocation.ts";
import { allLives, event, life } from "../support/history/history.ts";
import { hostileEvent } from "../support/history/hostileTexts.ts";
import { usageSample } from "../support/metrics/usage.ts";
import { expectAccessible, openPage, screenshot } from "../support/screen/browserPage.ts";
import { type Inspected, idOf, startInspector } from "../support/screen/inspector.ts";

const begin = Date.now() - 3_600_000;
const longName = "a-name-without-any-blank-".repeat(8);
const bundle = readFileSync(`${import.meta.dirname}/../../docs/histories/outOfMemory.jsonl`, "utf8");

/** Records tasks of all kinds: one with usage samples, one with hundreds of checks, and one with output. */
async function recordAll({ record, log }: Inspected): Promise<void> {
  for (const [index, name] of allLives.entries()) await record(idOf(index, name), life(name));
  await recordAllocation(record, { begin, failures: 20 });
  const output = makeOutput();
  output.write("web.stderr.0", "the first line\nthe second line\n");
  const started = [
    ["requested", 0, output.request],
    ["fingerprinted", 1],
    ["sandboxed", 3],
    ["started", 9],
  ] as const;
  const used = idOf(50, "used");
  for (let second = 1; second <= 30; second++) {
    const use = { userUs: second * 700_000, memoryBytes: second * 1_000_000, time: begin + second * 1_000 };
    appendUsage(log, toTaskId(used), usageSample(use));
  }
  await record(used, lifeFrom(begin, [...started, ["denied", 9_000], ["oomSeen", 20_000]]));
  const checks = Array.from({ length: 200 }, (_, index) => [
    event("execStarted", { exec: index + 1 }),
    event("execExited", { exec: index + 1 }),
  ]);
  await record(idOf(51, "checked"), [...life("ended").slice(0, 4), ...checks.flat()]);
  const types = ["requested", "fingerprinted", "sandboxed", "started", "recovered", "lost"] as const;
  await record(idOf(52, longName), types.map(hostileEvent));
}

interface View {
  readonly fragment: string;
  /** A text that the view shows. */
  readonly seen: string;
}

const task = (id: string, choices = "") => `#/task/${encodeURIComponent(id)}${choices}`;
const killed = idOf(allLives.indexOf("killed"), "killed");
const ended = idOf(allLives.indexOf("ended"), "ended");
const dropStop = encodeURIComponent('[{"drop":8}]');

/** The stream of the bundle's newest task. */
function newestInBundle(): string {
  const header = JSON.parse(bundle.slice(0, bundle.indexOf("\n"))) as BundleHeader;
  return header.streams.at(-1)?.stream ?? "";
}

function viewsWith(bundleKey: string): Readonly<Record<string, View>> {
  const inBundle = newestInBundle();
  return {
    list: { fragment: "#/", seen: ".row" },
    listFiltered: { fragment: "#/?outcome=failed&job=shop&event=exited&sort=-ran", seen: ".row" },
    listSearched: { fragment: "#/?search=sigint", seen: ".row" },
    listOfCause: { fragment: "#/?cause=exit+code+1%3A+web+of+shop", seen: ".row" },
    listEmpty: { fragment: "#/?search=nothing+like+this", seen: "text=No task matches" },
    failures: { fragment: "#/failures", seen: "text=COMMAND_NOT_FOUND" },
    eventsUnasked: { fragment: "#/events", seen: "text=Enter words or choose a type" },
    events: { fragment: "#/events?words=SIGKILL&type=forceKilled", seen: ".found tbody tr" },
    eventsEmpty: { fragment: "#/events?words=nothing-like-this", seen: "text=No event has these words" },
    node: { fragment: "#/node", seen: "text=Start latency" },
    compareUnasked: { fragment: "#/compare", seen: "text=Choose two runs" },
    compare: {
      fragment: `#/compare?a=${encodeURIComponent(ended)}&b=${encodeURIComponent(killed)}`,
      seen: "text=They diverge after",
    },
    bundleUnasked: { fragment: "#/bundle", seen: "text=Choose a file" },
    bundle: { fragment: `#/bundle/${bundleKey}`, seen: "text=Consistent: each event" },
    bundleGone: { fragment: "#/bundle/gone", seen: "text=The inspector no longer has this bundle" },
    taskOfGoneBundle: { fragment: task(killed, "?in=gone"), seen: "text=There is no such task" },
    bundleTask: { fragment: task(inBundle, `?in=${bundleKey}`), seen: "text=From a bundle that was dropped" },
    allocation: { fragment: `#/allocation/${allocation}`, seen: ".lanes .block" },
    allocationWindow: {
      fragment: `#/allocation/${allocation}?from=${begin}&to=${begin + 300_000}&error=5.${encodeURIComponent(runOf("web", 2))}`,
      seen: ".error-line >> text=exit code 1",
    },
    allocationUnknown: { fragment: "#/allocation/unknown", seen: "text=No task of this allocation" },
    task: { fragment: task(ended), seen: ".chart .lit" },
    taskMoment: { fragment: task(killed, "?event=6"), seen: "text=Event 6: signalled" },
    taskFailed: { fragment: task(idOf(allLives.indexOf("failed"), "failed")), seen: "text=Never started" },
    taskLost: { fragment: task(idOf(allLives.indexOf("lost"), "lost")), seen: ".chart .lit" },
    taskUsed: { fragment: task(idOf(50, "used")), seen: ".usage svg" },
    taskUnfolded: { fragment: task(idOf(51, "checked"), "?open=5&event=105"), seen: ".step.current" },
    taskOutput: { fragment: task(idOf(50, "used"), "?log=stderr&find=second"), seen: ".matches button" },
    taskWhatIf: { fragment: task(killed, `?event=8&edits=${dropStop}`), seen: ".whatif table" },
    taskLongName: { fragment: task(idOf(52, longName)), seen: "#state-lost.lit" },
    taskUnknown: { fragment: "#/task/unknown", seen: "text=There is no such task" },
    nowhere: { fragment: "#/nowhere", seen: "text=There is no such page" },
  };
}

async function keyOfDropped(page: Page): Promise<string> {
  await page.goto(new URL("#/bundle", page.url()).href);
  const file = { name: "outOfMemory.jsonl", mimeType: "application/jsonl", buffer: Buffer.from(bundle) };
  await page.getByLabel("Bundle", { exact: true }).setInputFiles(file);
  await page.getByText("Consistent: each event").waitFor();
  return new URL(page.url()).hash.replace("#/bundle/", "");
}

describe("every view", () => {
  it.for([390, 1920])(
    "has no finding, no sideways scroll, and survives a reload: %i wide",
    { timeout: 900_000 },
    async (width, context) => {
      const inspected = await startInspector();
      await recordAll(inspected);
      // Requests for a missing bundle or task are answered with 404.
      const page = await openPage(context, inspected.server.url, { viewport: { width, height: 900 } }, /404/);
      const views = viewsWith(await keyOfDropped(page));
      for (const [name, { fragment, seen }] of Object.entries(views)) {
        await page.goto(new URL(fragment, page.url()).href);
        await page.locator(seen).first().waitFor();
        for (const colorScheme of ["light", "dark"] as const) {
          await page.emulateMedia({ colorScheme });
          await expectAccessible(page, name);
          await page.screenshot({ path: screenshot(`${name}-${colorScheme}-${width}`), fullPage: true });
        }
        expect(await page.evaluate("document.documentElement.scrollWidth"), name).toBe(width);
        await page.reload();
        await page.locator(seen).first().waitFor();
        expect(new URL(page.url()).hash, name).toBe(fragment);
      }
    },
  );
});
