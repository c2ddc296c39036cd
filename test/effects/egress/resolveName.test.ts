import { expect, it } from "vitest";
import { addressesIn } from "../../../src/effects/egress/resolveName.ts";

it("finds all addresses of a name in a hosts file, whatever its case, and no others", () => {
  const hosts = `
127.0.0.1 localhost
192.0.2.7\tDB.example.org db # 192.0.2.8 db
2001:db8::7  db.example.org
192.0.2.7 db.example.org
nonsense db.example.org
#192.0.2.9 db.example.org
192.0.2.10 other.db.example.org`;
  expect(addressesIn(hosts, "db.example.org")).toEqual(["192.0.2.7", "2001:db8::7"]);
  expect(addressesIn(hosts, "db")).toEqual(["192.0.2.7"]);
  expect(addressesIn(hosts, "example.org")).toEqual([]);
  expect(addressesIn("", "db")).toEqual([]);
});
