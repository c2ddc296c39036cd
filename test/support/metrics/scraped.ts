/** Reads Prometheus' text format strictly, and asks promtool about it. */
import { spawnSync } from "node:child_process";
import { expect } from "vitest";

export interface Scraped {
  readonly type: string;
  readonly help: string;
  /** Values by series, in the text form of the series. */
  readonly series: ReadonlyMap<string, number>;
}

const nameOf = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const pairOf = String.raw`[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"`;
const sample = new RegExp(String.raw`^(${nameOf})((?:\{${pairOf}(?:,${pairOf})*\})?) (\S+)$`);

/**
 * The families by name.
 * @throws Error naming an invalid line, or a duplicate series
 */
export function parseScrape(text: string): ReadonlyMap<string, Scraped> {
  const families = new Map<string, { type: string; help: string; series: Map<string, number> }>();
  let current: { name: string; type: string; help: string; series: Map<string, number> } | undefined;
  if (text !== "" && !text.endsWith("\n")) throw new Error("the last line does not end");
  for (const line of text.split("\n").slice(0, -1)) {
    const [, kind, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (kind === "HELP") {
      if (families.has(name)) throw new Error(`${name} comes twice`);
      current = { name, type: "", help: rest, series: new Map() };
      families.set(name, current);
    } else if (kind === "TYPE" && current?.name === name) current.type = rest;
    else addSample(line, current);
  }
  return families;
}

function addSample(
  line: string,
  family: { readonly name: string; readonly type: string; readonly series: Map<string, number> } | undefined,
): void {
  const [, name = "", labels = "", value] = sample.exec(line) ?? [];
  const suffixes = family?.type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
  const number = Number(value?.replace("Inf", "Infinity"));
  if (family === undefined || !suffixes.some((suffix) => name === family.name + suffix)) {
    throw new Error(`not a sample of ${family?.name}: ${JSON.stringify(line)}`);
  }
  if (Number.isNaN(number) && value !== "NaN") throw new Error(`no number: ${line}`);
  const series = name + labels;
  if (family.series.has(series)) throw new Error(`${series} comes twice`);
  family.series.set(series, number);
}

/** Expects that promtool has no finding. If promtool is not installed, prints a message instead. */
export function expectAccepted(text: string): void {
  const { error, status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], {
    input: text,
    encoding: "utf8",
  });
  if (error) console.error("NOT TESTED by promtool: it is not installed");
  else expect(status === 0 ? "" : `${stdout}${stderr}` || `exit code ${status}`).toBe("");
}
