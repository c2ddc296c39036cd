import { describe, expect, it } from "vitest";
import type { Access } from "../../src/effects/observe/access.ts";
import { learnEgress } from "../../src/learn/egress.ts";
import { lackingIn } from "../../src/learn/policies.ts";

const tcp = (address: string, port: number): Access => ({ kind: "connected", address, port, tcp: true });
const udp = (address: string, port: number): Access => ({ kind: "connected", address, port, tcp: false });
const answer = (name: string, ...addresses: readonly string[]): Access => ({
  ...{ kind: "answered", server: "10.0.0.53", name, asksForAddress: true, addresses },
});
const server = udp("10.0.0.53", 53);

describe("the learned egress", () => {
  it("has the addresses that no name was told of, without loopback, each protocol as it was used", () => {
    expect(
      learnEgress([
        ...[tcp("192.0.2.7", 443), udp("192.0.2.7", 443), tcp("2001:db8::7", 80), udp("192.0.2.9", 123)],
        ...[tcp("127.0.0.1", 80), udp("0.0.0.0", 80), tcp("::1", 80), udp("192.0.2.8", 0)],
      ]),
    ).toEqual(["192.0.2.7:443", "udp:192.0.2.9:123", "tcp:[2001:db8::7]:80"]);
  });

  it("has the names of addresses, once for all of a name's addresses", () => {
    expect(
      learnEgress([
        ...[server, answer("b.example", "192.0.2.1", "192.0.2.2"), answer("a.example", "192.0.2.2")],
        ...[tcp("192.0.2.1", 443), tcp("192.0.2.2", 443), tcp("192.0.2.3", 1)],
      ]),
    ).toEqual(["tcp:a.example:443", "tcp:b.example:443", "tcp:192.0.2.3:1"]);
  });

  it("leaves a name server out only if the driver can look everything up that it was asked", () => {
    const used = [server, answer("a.example", "192.0.2.1"), answer("gone.example"), tcp("192.0.2.1", 443)];
    expect(learnEgress(used)).toEqual(["tcp:a.example:443"]);
    const kept = ["tcp:a.example:443", "udp:10.0.0.53:53"];
    expect(learnEgress([...used, answer("b.example", "192.0.2.9")])).toEqual(kept);
    expect(learnEgress([...used, { ...answer("a.example"), asksForAddress: false } as Access])).toEqual(kept);
    expect(learnEgress([...used, tcp("10.0.0.53", 53)])).toEqual(["tcp:a.example:443", "10.0.0.53:53"]);
    expect(learnEgress([server])).toEqual(["udp:10.0.0.53:53"]);
  });

  it("believes only servers that the task has asked, and names that a list can have", () => {
    const connected = tcp("192.0.2.1", 443);
    expect(learnEgress([answer("a.example", "192.0.2.1"), connected])).toEqual(["tcp:192.0.2.1:443"]);
    expect(learnEgress([server, answer("*.example", "192.0.2.1"), connected])).toEqual([
      "udp:10.0.0.53:53",
      "tcp:192.0.2.1:443",
    ]);
    const local = { ...answer("a.example", "192.0.2.1"), server: "127.0.0.53" } as Access;
    expect(learnEgress([local, connected])).toEqual(["tcp:a.example:443"]);
  });

  it("has no attempts that only find out the way to an address", () => {
    expect(learnEgress([udp("192.0.2.1", 9), tcp("192.0.2.1", 443)])).toEqual(["tcp:192.0.2.1:443"]);
    expect(learnEgress([udp("192.0.2.1", 9)])).toEqual(["udp:192.0.2.1:9"]);
  });

  it("is added to a job's list as far as that lacks it, and not to a job without a list", () => {
    const learned = { connectTcp: [], bindTcp: [], egress: ["tcp:a.example:443", "tcp:192.0.2.1:80"] };
    const lacking = (config: object) =>
      lackingIn(
        { config } as Parameters<typeof lackingIn>[0],
        learned as unknown as Parameters<typeof lackingIn>[1],
      );
    expect(lacking({})).toEqual({});
    expect(lacking({ egress: ["192.0.2.0/24", "$" + "{NOMAD_META_host}"] })).toEqual({
      egress: ["tcp:a.example:443"],
    });
    expect(lacking({ egress: ["a.example", "192.0.2.1:80"] })).toEqual({});
  });
});
