import { once } from "node:events";
import { createServer } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { assignPorts } from "../../src/localAgent/allocation/ports.ts";

async function listening(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return address.port;
}

it("gives every label a free port of its own", async () => {
  const labels = Array.from({ length: 20 }, (_, index) => `p${index}`);
  const assigned = await assignPorts(labels.map((label) => ({ label, static: undefined, to: undefined })));
  expect(assigned.map(({ label }) => label)).toEqual(labels);
  expect(new Set(assigned.map(({ port }) => port)).size).toBe(labels.length);
  for (const { ip, port } of assigned) {
    const server = createServer().listen(port, ip);
    await once(server, "listening");
    server.close();
  }
});

it("assigns a free static port, in any order of the ports", async () => {
  const [free] = await assignPorts([{ label: "x", static: undefined, to: undefined }]);
  const port = free?.port ?? 0;
  const assigned = await assignPorts([
    { label: "any", static: undefined, to: undefined },
    { label: "mine", static: port, to: undefined },
  ]);
  expect(assigned).toContainEqual({ label: "mine", ip: "127.0.0.1", port, inside: port });
});

it("says which port is taken", async () => {
  const port = await listening();
  await expect(assignPorts([{ label: "http", static: port, to: undefined }])).rejects.toThrow(
    `port http (${port}) cannot be used (listen 127.0.0.1:${port}: EADDRINUSE). Stop the program that listens there, or leave out static = ${port}`,
  );
});

it("gives no port twice in a run, even before a task listens on it", async () => {
  const taken = new Set<number>();
  const labels = Array.from({ length: 20 }, (_, index) => ({
    label: `p${index}`,
    static: undefined,
    to: undefined,
  }));
  const rounds = [];
  for (let round = 0; round < 20; round++) rounds.push(await assignPorts(labels, taken));
  expect(new Set(rounds.flat().map(({ port }) => port)).size).toBe(400);
  expect(taken.size).toBe(400);
});
