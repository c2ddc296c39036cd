import { describe, expect, it } from "vitest";
import { parseHistory } from "../../../src/driver/options/historyBounds.ts";
import { parsePluginOptions } from "../../../src/driver/options/pluginOptions.ts";

const bounds = (...history: Record<string, string>[]) =>
  parseHistory(parsePluginOptions({ history }).history);

describe("the bounds of the history", () => {
  it("are a week and a GiB by default", () => {
    const preset = { keepMs: 604_800_000, maxBytes: 2 ** 30 };
    expect(parseHistory(parsePluginOptions({}).history)).toEqual(preset);
    expect(parseHistory(parsePluginOptions({ history: null }).history)).toEqual(preset);
  });

  it("are independent of each other", () => {
    expect(bounds({ keep: "1h30m" })).toEqual({ keepMs: 5_400_000, maxBytes: 2 ** 30 });
    expect(bounds({ max_size_mb: "64" })).toEqual({ keepMs: 604_800_000, maxBytes: 64 << 20 });
    expect(bounds({ keep: "0", max_size_mb: "1" })).toEqual({ keepMs: 0, maxBytes: 1 << 20 });
  });

  it.each([
    [{ keep: "a week" }, /option "history" has keep = "a week".*168h/],
    [{ keep: "-1h" }, /has keep = "-1h"/],
    [{ max_size_mb: "0" }, /has max_size_mb = "0".*at least 1/],
    [{ max_size_mb: "1.5" }, /has max_size_mb = "1.5"/],
    [{ kept: "1h" }, /has "kept", which is not a bound.*keep/],
  ])("are refused if they are invalid: %j", (history, says) => {
    expect(() => bounds(history as Record<string, string>)).toThrow(says);
  });
});
