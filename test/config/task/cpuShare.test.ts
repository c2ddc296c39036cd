import { expect, it } from "vitest";
import { cpuShare } from "../../../src/config/task/cpuShare.ts";

it.each([
  ["the MHz of one core are one core", { cpuMhz: 2500, cpusetCpus: "" }, true, 1],
  ["fewer MHz are a fraction of a core", { cpuMhz: 500, cpusetCpus: "" }, true, 0.2],
  ["no MHz are no limit", { cpuMhz: 0, cpusetCpus: "" }, true, undefined],
  ["a soft limit is no share", { cpuMhz: 500, cpusetCpus: "" }, false, undefined],
  ["a reserved core is one core", { cpuMhz: 2500, cpusetCpus: "7" }, true, 1],
  ["reserved cores are counted", { cpuMhz: 2500, cpusetCpus: "0-3,8,10-11" }, false, 7],
])("%s", (_, resources, hardLimit, expected) => {
  expect(cpuShare(resources, { mhzPerCore: 2500 }, hardLimit)).toBe(expected);
});
