import { expect, it } from "vitest";
import { cpuShare } from "../../../src/config/task/cpuShare.ts";

it.each([
  ["MHz of one core are that core", { cpuMhz: 2500, cpusetCpus: "" }, true, 1],
  ["fewer are a part of it", { cpuMhz: 500, cpusetCpus: "" }, true, 0.2],
  ["none are no limit", { cpuMhz: 0, cpusetCpus: "" }, true, undefined],
  ["a soft limit is none", { cpuMhz: 500, cpusetCpus: "" }, false, undefined],
  ["a core of its own", { cpuMhz: 2500, cpusetCpus: "7" }, true, 1],
  ["cores of its own", { cpuMhz: 2500, cpusetCpus: "0-3,8,10-11" }, false, 7],
])("%s", (_, resources, hardLimit, expected) => {
  expect(cpuShare(resources, { mhzPerCore: 2500 }, hardLimit)).toBe(expected);
});
