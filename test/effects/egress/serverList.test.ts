import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { egressAnswer, metadataAddresses } from "../../../src/effects/egress/egress.ts";
import { jobServers, serversOf } from "../../../src/effects/egress/serverList.ts";
import { parseAddress } from "../../../src/effects/network/addresses.ts";

describe("a list of name servers", () => {
  it("has addresses, with a port or a zone", () => {
    expect(
      serversOf(["10.0.0.53:5353", "[fd00::53]:5353", "[fd00::53]", "fd00::53", "fe80::1%eth0"]),
    ).toEqual([
      { host: "10.0.0.53", port: 5353 },
      { host: "fd00::53", port: 5353 },
      { host: "fd00::53", port: 53 },
      { host: "fd00::53", port: 53 },
      { host: "fe80::1%eth0", port: 53 },
    ]);
    expect(serversOf(["nonsense", "10.0.0", "10.0.0.53%eth0", "::1::", ""])).toEqual([]);
  });
});

describe("a name server of a job", () => {
  const denied = { egressDenied: [...metadataAddresses, "10.1.0.0/16", "127.0.0.53:53", "fe80::/10"] };

  it.each([
    ["10.0.0.53"],
    ["127.0.0.54"],
    ["127.0.0.53:5353"],
    ["fd00::53"],
    // Port 53 of this address is a name server's.
    ["168.63.129.16"],
  ])("is asked where the client lets a task connect: %s", (server) => {
    expect(jobServers([server], denied, false)).toEqual({ asked: [server], problem: undefined });
  });

  it.each([
    ["169.254.169.254", "this client denies 169.254.169.254"],
    ["::ffff:169.254.169.254", "this client denies 169.254.169.254"],
    ["169.254.169.254:8080", "this client denies 169.254.169.254"],
    ["10.1.2.3", "this client denies 10.1.0.0/16"],
    ["168.63.129.16:80", "this client denies 168.63.129.16:80"],
    ["127.0.0.53", "this client denies 127.0.0.53:53"],
    ["[fd00:ec2::254]:53", "this client denies fd00:ec2::254"],
    ["fe80::1%eth0", "this client denies fe80::/10"],
    ["nonsense", "it is no address"],
  ])("is not asked where it lets none: %s", (server, why) => {
    expect(jobServers([server], denied, false)).toEqual({
      asked: [],
      problem: `${server} is not asked: ${why}`,
    });
  });

  it("is not asked if either protocol is denied, or not in the client's list", () => {
    const lists = {
      egress: ["udp:10.0.0.53:53", "10.0.0.54:53", "api.example.org"],
      egressDenied: ["tcp:10.0.0.55"],
    };
    expect(jobServers(["10.0.0.53", "10.0.0.54", "10.0.0.55"], lists, false).asked).toEqual(["10.0.0.54"]);
    expect(jobServers(["10.0.0.53"], lists, false).problem).toBe(
      "10.0.0.53 is not asked: this client's egress lacks it",
    );
    expect(jobServers(["10.0.0.55"], { ...lists, egress: undefined }, false).asked).toEqual([]);
  });

  it.each(["127.0.0.1", "127.0.0.53:5353", "::1", "0.0.0.0", "::"])(
    "is not asked on the loopback device of a network that is the task's own: %s",
    (server) => {
      expect(jobServers([server, "10.0.0.53"], { egressDenied: [] }, true)).toEqual({
        asked: ["10.0.0.53"],
        problem: undefined,
      });
      expect(jobServers([server], { egressDenied: [] }, true).asked).toEqual([]);
      expect(jobServers([server], { egressDenied: [] }, false).asked).toEqual([server]);
    },
  );

  it("may be none", () => {
    expect(jobServers([], denied, true)).toEqual({ asked: [], problem: undefined });
  });

  it("is asked exactly where the client's lists let a task connect by UDP and TCP", () => {
    const host = fc.oneof(
      fc
        .tuple(fc.constantFrom(10, 127, 169), fc.nat(1), fc.nat(2), fc.nat(3))
        .map((bytes) => bytes.join(".")),
      fc.constantFrom("::1", "fd00::53", "::ffff:10.0.0.1"),
    );
    const entry = fc.constantFrom(
      ...["10.0.0.0/8", "10.0.0.0/15:53", "udp:10.0.0.1", "tcp:10.0.0.1:53", "fd00::/8", "0.0.0.0/0:53"],
      ...["127.0.0.0/8", "::1", "tcp:169.0.0.0/8:53", "169.0.0.1", "api.example.org"],
    );
    const isAddress = (text: string) => text !== "api.example.org";
    const lists = fc.record({
      egress: fc.option(fc.array(entry), { nil: undefined }),
      egressDenied: fc.array(entry.filter(isAddress)),
    });
    fc.assert(
      fc.property(fc.array(host), lists, (servers, client) => {
        const mayConnect = (server: string) =>
          (["udp", "tcp"] as const).every((protocol) => {
            const place = { protocol, address: parseAddress(server), name: undefined, port: 53 };
            return egressAnswer(place, client, new Map()).allowed;
          });
        const { asked, problem } = jobServers(servers, client, false);
        expect(asked).toEqual(servers.filter(mayConnect));
        expect(problem === undefined).toBe(servers.length === 0 || asked.length > 0);
      }),
    );
  });
});
