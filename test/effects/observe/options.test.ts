import { describe, expect, it } from "vitest";
import { isObserved, settleObserve } from "../../../src/effects/observe/options.ts";

const ids = Array.from({ length: 10_000 }, (_, at) => `6f2d4a9e/web/${at}`);

describe("a share of runs", () => {
  it("is all, none, or about so many, and the same each time", () => {
    const count = (observe: string | undefined) => ids.filter((id) => isObserved(observe, id)).length;
    expect([count("on"), count("off"), count(undefined), count("100%")]).toEqual([10_000, 0, 0, 10_000]);
    expect(count("10%")).toBeGreaterThan(850);
    expect(count("10%")).toBeLessThan(1_150);
    expect(count("10%")).toBe(count("10%"));
  });
});

describe("the option", () => {
  it("is the task's before the plugin's, unless the plugin observes nothing", () => {
    expect(settleObserve({ observe: "10%" }, { observe: "on" })).toEqual({ observe: "10%" });
    expect(settleObserve({ observe: "off" }, { observe: "on" })).toEqual({ observe: "off" });
    expect(settleObserve({ observe: undefined }, { observe: "5%" })).toEqual({ observe: "5%" });
    expect(settleObserve({ observe: "on" }, { observe: "off" })).toEqual({ observe: undefined });
  });
});
