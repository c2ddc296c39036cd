import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  counter,
  type Family,
  familyLines,
  gauge,
  Histogram,
} from "../../../src/history/metrics/exposition.ts";
import { expectAccepted, parseScrape } from "../../support/metrics/scraped.ts";

const familyText = (family: Family) => [...familyLines(family)].join("");

describe("a family", () => {
  it("has its help, its type and a line for each series", () => {
    const samples = [
      { labels: { mode: "user" }, value: 1.5 },
      { labels: { mode: "system" }, value: 0 },
    ];
    expect(familyText(counter("x_seconds_total", "Time.\nOf \\ it.", samples))).toBe(
      [
        "# HELP x_seconds_total Time.\\nOf \\\\ it.",
        "# TYPE x_seconds_total counter",
        'x_seconds_total{mode="user"} 1.5',
        'x_seconds_total{mode="system"} 0\n',
      ].join("\n"),
    );
    expect(familyText(gauge("x_bytes", "None.", []))).toBe("");
  });

  it("can be parsed with any labels of jobs", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string({ unit: fc.constantFrom(...'\\"\n\r\u202ea}{,=') }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text)), fc.double(), (labels, value) => {
        const samples = labels.map(([task, job]) => ({ labels: { task, job }, value }));
        const families = parseScrape(familyText(gauge("x", "h", samples)));
        expect(
          [...(families.get("x")?.series.values() ?? [])].every((each) => Object.is(each + 0, value + 0)),
        ).toBe(true);
        expect(families.size).toBe(labels.length === 0 ? 0 : 1);
      }),
    );
  });

  it("has no duplicate series, even if two labels are equal after escaping", () => {
    const samples = [
      { labels: { task: "a\u0000" }, value: 1 },
      { labels: { task: "a␀" }, value: 2 },
    ];
    expect(parseScrape(familyText(gauge("x", "h", samples))).get("x")?.series).toEqual(
      new Map([['x{task="a␀"}', 1]]),
    );
  });
});

describe("a histogram", () => {
  it("counts the values up to each bound, and all values", () => {
    const histogram = new Histogram([0.1, 1]);
    for (const value of [0.05, 0.1, 0.5, 7]) histogram.observe(value);
    const text = familyText(histogram.family("x_seconds", "Time."));
    expect(Object.fromEntries(parseScrape(text).get("x_seconds")?.series ?? [])).toEqual({
      'x_seconds_bucket{le="0.1"}': 2,
      'x_seconds_bucket{le="1"}': 3,
      'x_seconds_bucket{le="+Inf"}': 4,
      x_seconds_sum: 7.65,
      x_seconds_count: 4,
    });
    expectAccepted(text);
  });
});
