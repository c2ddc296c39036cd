/** The page with only a keyboard, and without motion. */
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { allocation, lifeFrom, recordAllocation, runOf } from "../support/history/allocation.ts";
import { life } from "../support/history/history.ts";
import { openPage } from "../support/screen/browserPage.ts";
import { idOf, startInspector } from "../support/screen/inspector.ts";

const begin = Date.now() - 600_000;
const at = (page: Page, fragment: string) => page.goto(new URL(fragment, page.url()).href);
const focused = (page: Page) => page.locator(":focus");

/** Runs in the page. Returns the focused element, and whether its focus is visible. */
const look = `(() => {
  const { activeElement } = document;
  const drawn = activeElement.querySelector(".frame") ?? activeElement.querySelector(".body") ?? activeElement;
  const ringOf = (pseudo) => getComputedStyle(activeElement, pseudo).outlineStyle !== "none";
  return {
    place: [...document.querySelectorAll("*")].indexOf(activeElement),
    name: activeElement.outerHTML.slice(0, 120),
    seen: ringOf(null) || ringOf("::after") || Number.parseFloat(getComputedStyle(drawn).strokeWidth) >= 3,
  };
})()`;

/** Runs in the page. Counts the elements that the keyboard should reach. */
const reachable = `[...document.querySelectorAll("a, button, input, select, textarea, summary, [tabindex='0']")]
  .filter((each) => each.tabIndex >= 0 && each.checkVisibility()).length`;

/** Moves the focus through the whole page by Tab. @returns the number of reached elements */
async function goAround(page: Page): Promise<number> {
  const places = new Set<number>();
  const hidden: string[] = [];
  await page.evaluate("document.activeElement.blur()");
  for (let step = 0; step < 400; step++) {
    await page.keyboard.press("Tab");
    const { place, name, seen } = (await page.evaluate(look)) as {
      place: number;
      name: string;
      seen: boolean;
    };
    // The focus is between the last and the first element.
    if (name.startsWith("<body")) continue;
    if (places.has(place)) break;
    if (!seen) hidden.push(name);
    places.add(place);
  }
  expect(hidden).toEqual([]);
  return places.size;
}

describe("by the keyboard", () => {
  it("every control can be reached, and the focus is visible", { timeout: 60_000 }, async (context) => {
    const { server, record } = await startInspector();
    await record(idOf(1, "killed"), life("killed"));
    await recordAllocation(record, { begin, failures: 4 });
    const page = await openPage(context, server.url);
    const views = [
      ["#/", ".row"],
      ["#/failures", ".failures a"],
      ["#/events?words=exit", ".found a"],
      ["#/node", ".figures a"],
      ["#/compare", ".sides"],
      ["#/bundle", "input[type=file]"],
      [`#/allocation/${allocation}?error=3.${encodeURIComponent(runOf("log", 1))}`, ".error-line a"],
      [`#/task/${encodeURIComponent(idOf(1, "killed"))}?edits=[{"drop":8}]`, ".whatif table"],
    ] as const;
    for (const [fragment, seen] of views) {
      await at(page, fragment);
      await page.locator(seen).first().waitFor();
      expect(await goAround(page), fragment).toBe(await page.evaluate(reachable));
    }
  });

  it("the focus does not move while tasks are added and updated", async (context) => {
    const { server, record } = await startInspector();
    await record(
      runOf("web", 1),
      lifeFrom(begin, [
        ["requested", 0],
        ["fingerprinted", 1],
      ]),
    );
    const page = await openPage(context, server.url);
    await page.locator(".row a").focus();
    for (let number = 1; number <= 5; number++) await record(idOf(number), life("ended"));
    await page.getByText("6 of 6").waitFor();
    expect(await focused(page).textContent()).toBe("web");
    await page.keyboard.press("Enter");
    await page.locator("#state-fingerprinted.lit").waitFor();
    const step = page.getByRole("button", { name: "Host inspected" });
    await step.focus();
    await record(
      runOf("web", 1),
      lifeFrom(begin, [
        ["sandboxed", 3],
        ["started", 9],
      ]),
    );
    await page.locator("#state-running.lit").waitFor();
    expect(await focused(page).textContent()).toBe("Host inspected");
    const run = page.locator(".lanes .block a[aria-label^=web]");
    await run.focus();
    await record(runOf("web", 1), lifeFrom(begin, [["exited", 5_000, { exitCode: 3 }]]));
    await expect.poll(() => run.getAttribute("aria-label")).toContain("Failed with exit code 3");
    expect(await focused(page).getAttribute("aria-label")).toContain("Failed with exit code 3");
    await page.keyboard.press("Escape");
    await page.getByText("6 of 6").waitFor();
  });
});

describe("motion", () => {
  it("is omitted if the user prefers reduced motion", async (context) => {
    const { server, record } = await startInspector();
    await record(idOf(1), life("ended"));
    const page = await openPage(context, server.url);
    await at(page, `#/task/${encodeURIComponent(idOf(1))}`);
    await page.locator(".playhead").waitFor();
    const moving = `[...document.querySelectorAll("*")].filter((each) => {
      const { transitionDuration, animationName } = getComputedStyle(each);
      return transitionDuration !== "0s" || animationName !== "none";
    }).length`;
    await page.emulateMedia({ reducedMotion: "no-preference" });
    expect(await page.evaluate(moving)).toBe(1);
    await page.emulateMedia({ reducedMotion: "reduce" });
    expect(await page.evaluate(moving)).toBe(0);
  });
});
