import { describe, expect, test } from "vitest";
import { parsePluginOptions } from "../../../src/driver/options/pluginOptions.ts";
import { hasOwnHosts, hostsFile } from "../../../src/effects/names/taskEtcFiles.ts";
import type { TaskNetwork } from "../../../src/effects/network/network.ts";
import { parseTaskOptions } from "../../../src/effects/parts.ts";

function given(network: Partial<TaskNetwork>, extra_hosts: string[] = []) {
  const options = parseTaskOptions({ command: "x", extra_hosts }, parsePluginOptions({}));
  return { network: { mode: "host", path: "", self: undefined, ...network } as const, options };
}

describe("a hosts file", () => {
  test("is the task's own if the task has a host name or additional hosts, otherwise the host's", () => {
    expect(hasOwnHosts(given({}))).toBe(false);
    expect(hasOwnHosts(given({ mode: "none" }))).toBe(false);
    expect(hasOwnHosts(given({ self: { name: "web", address: "" } }))).toBe(true);
    expect(hasOwnHosts(given({}, ["db:192.0.2.5"]))).toBe(true);
  });

  test("is the host's with additions in the host's network", () => {
    expect(hostsFile(given({}, ["db:192.0.2.5", "db:::1"]), () => "127.0.0.1 me\n\n")).toBe(
      "127.0.0.1 me\n192.0.2.5 db\n::1 db\n",
    );
  });

  test("has nothing of the host in a separate network", () => {
    const network = { mode: "group", path: "/x", self: { name: "web", address: "192.0.2.7" } } as const;
    const text = hostsFile(given(network, ["db:192.0.2.5"]), () => expect.fail("the host's file was read"));
    expect(text.split("\n").slice(-3)).toEqual(["192.0.2.7 web", "192.0.2.5 db", ""]);
    expect(text).toContain("127.0.0.1 localhost\n::1 localhost");
  });

  test("has of a name that the driver looks up no other addresses than those that it found", () => {
    const host = () =>
      "127.0.0.1 localhost\n10.0.0.1 api.example.org\n10.0.0.2 db API.example.org # both\n10.0.0.3 gone.example.org\n";
    const resolved = [
      { name: "api.example.org", addresses: ["192.0.2.5", "192.0.2.6"] },
      { name: "gone.example.org", addresses: [] },
    ];
    expect(hostsFile(given({}), host, resolved)).toBe(
      "127.0.0.1 localhost\n10.0.0.2 db\n192.0.2.5 api.example.org\n192.0.2.6 api.example.org\n",
    );
    expect(hostsFile(given({}), host)).toBe(host());
  });

  test("has an address for a host name without an address", () => {
    expect(hostsFile(given({ mode: "none", self: { name: "web", address: "" } }), () => "")).toContain(
      "\n127.0.1.1 web\n",
    );
  });
});

test.each([
  "db",
  "db:",
  ":192.0.2.5",
  "db:192.0.2",
  "db:host",
  "d b:192.0.2.5",
  "db:192.0.2.5 x",
  "db:1.1.1.1\n2.2.2.2 x",
])("the entry %j is refused", (entry) => {
  expect(() => given({}, [entry])).toThrow(/"extra_hosts" entry 1 must be a name, a colon and an IP address/);
});
