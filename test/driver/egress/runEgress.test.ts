/** Which name servers are asked for the names of a task's `egress`. */
import { expect, it } from "vitest";
import type { RunDenials } from "../../../src/driver/denials/runDenials.ts";
import { NameBook } from "../../../src/driver/egress/nameBook.ts";
import { RunEgress } from "../../../src/driver/egress/runEgress.ts";
import { defaultTaskOptions } from "../../../src/effects/parts.ts";
import { recordingLogger } from "../../support/recordingLogger.ts";

interface Case {
  readonly egress?: string[];
  readonly egressDenied?: string[];
  readonly servers?: readonly string[];
  readonly path?: string;
}

/** Resolves the names `own` and `operators` for a task. @returns what was asked where, and what became of the names */
async function resolved({ egress, egressDenied = [], servers, path = "" }: Case) {
  const asked: string[] = [];
  const names = new NameBook(async (name, at) => {
    asked.push([name, ...at].join("@"));
    return { addresses: ["192.0.2.7"], unused: 0, ttlMs: 60_000 };
  });
  const services = {
    egress: { tools: async () => ({ names }) },
    log: recordingLogger(),
    options: { egress, egressDenied },
  };
  const ground = { task: { id: "id" }, services: () => services, warn: () => undefined };
  const run = new RunEgress(ground as never, {} as RunDenials);
  run.limits({ ...defaultTaskOptions(), egress: ["own", "operators"] });
  const dns = servers && { servers: [...servers], searches: [], options: [] };
  await run.resolve({ dns, network: { mode: path === "" ? "host" : "group", path, self: undefined } });
  const found = run.resolved?.names.map(({ name, addresses, problem }) => [name, ...addresses, problem]);
  run.release();
  return { asked, found };
}
const open = ["0.0.0.0/0", "::/0", "operators"];

it("the host's are, without a dns block and for the names of the client's list", async () => {
  expect((await resolved({})).asked).toEqual(["own", "operators"]);
  const { asked } = await resolved({ egress: open, servers: ["10.0.0.53"] });
  expect(asked).toEqual(["own@10.0.0.53", "operators"]);
});

it("a job's are not where the client lets no task connect, and nobody else is in their place", async () => {
  const egressDenied = ["10.0.0.53"];
  const { asked, found } = await resolved({ egress: open, egressDenied, servers: ["10.0.0.53"] });
  expect(asked).toEqual(["operators"]);
  expect(found).toEqual([
    ["own", "10.0.0.53 is not asked: this client denies 10.0.0.53"],
    ["operators", "192.0.2.7", null],
  ]);
  const both = await resolved({ egressDenied, servers: ["10.0.0.53", "10.0.0.54"] });
  expect(both.asked).toEqual(["own@10.0.0.54", "operators@10.0.0.54"]);
});

it("one on loopback is for a task in the host's network, and not for one in its own", async () => {
  const servers = ["127.0.0.53"];
  expect((await resolved({ servers })).asked).toEqual(["own@127.0.0.53", "operators@127.0.0.53"]);
  expect((await resolved({ servers, path: "/var/run/netns/a" })).asked).toEqual([]);
});
