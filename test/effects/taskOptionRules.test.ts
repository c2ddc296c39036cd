import { describe, expect, test } from "vitest";
import { parsePluginOptions } from "../../src/driver/options/pluginOptions.ts";
import { portOptions } from "../../src/effects/network/ports.ts";
import { parseTaskOptions } from "../../src/effects/parts.ts";

function portsOf(task: object, plugin: object = {}) {
  const options = parseTaskOptions({ command: "x", ...task }, parsePluginOptions(plugin));
  return Object.fromEntries(portOptions.map((option) => [option, options[option]]));
}

describe("the ports of a task", () => {
  test.each<[string, object, object, object]>([
    ["are all ports without any list", {}, {}, {}],
    ["are none with an empty list", { connect_tcp: [], bind_tcp: [] }, {}, { connectTcp: [], bindTcp: [] }],
    ["are the job's", { connect_tcp: [443, 5432] }, {}, { connectTcp: [443, 5432] }],
    ["are the client's if the job has no list", {}, { bind_tcp: [0, 80] }, { bindTcp: [0, 80] }],
    [
      "are the job's within the client's",
      { connect_tcp: [443] },
      { connect_tcp: [80, 443] },
      { connectTcp: [443] },
    ],
    ["may be none of the client's", { connect_tcp: [] }, { connect_tcp: [80] }, { connectTcp: [] }],
    [
      "are separate for each protocol",
      { connect_udp: [53], bind_tcp: [] },
      { connect_tcp: [80], connect_udp: [53, 123], bind_udp: [0] },
      { connectTcp: [80], bindTcp: [], connectUdp: [53], bindUdp: [0] },
    ],
    ["are absent for nil", { connect_tcp: null }, { connect_tcp: null }, {}],
  ])("%s", (_what, task, plugin, expected) => {
    expect(portsOf(task, plugin)).toEqual(expected);
  });

  test("outside of the client's are refused, and the error names them", () => {
    expect(() => portsOf({ connect_tcp: [443, 25, 22] }, { connect_tcp: [443] })).toThrow(
      /"connect_tcp" with 25, 22, but this client allows 443.*Remove them, or add them/,
    );
    expect(() => portsOf({ bind_tcp: [0] }, { bind_tcp: [] })).toThrow(/with 0, but this client allows none/);
  });

  test.each<[object, string]>([
    [{ connect_tcp: [0] }, '"connect_tcp" entry 1 must be a port: 1 to 65535'],
    [{ bind_tcp: [80, 65536] }, '"bind_tcp" entry 2 must be a port: 0 to 65535'],
    [{ bind_tcp: [-1] }, '"bind_tcp" entry 1 must be a port: 0 to 65535'],
    [{ bind_tcp: [1.5] }, '"bind_tcp" entry 1 must be a whole number'],
    [{ bind_tcp: ["http"] }, '"bind_tcp" entry 1 must be a number, not a string'],
    [{ connect_udp: [0] }, '"connect_udp" entry 1 must be a port: 1 to 65535'],
    [{ bind_udp: [65536] }, '"bind_udp" entry 1 must be a port: 0 to 65535'],
    [{ bind_tcp: 80 }, '"bind_tcp" must be a list of numbers, not a number'],
  ])("%j is refused", (task, problem) => {
    expect(() => portsOf(task)).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
    expect(() => portsOf(task)).toThrow(problem);
    expect(() => portsOf({}, task)).toThrow(problem);
  });
});
