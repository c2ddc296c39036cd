/** A task tries to create a user namespace, in which it would have every capability. */
import { expect, it } from "vitest";
import { ownNamespaces, packetFilter } from "../support/attacks/scripts.ts";
import { filterOf, taskLines } from "../support/launch/launchRun.ts";

const filter = filterOf();

it.each(Object.entries(ownNamespaces))(
  "a task does not become root in a user namespace that it makes %s",
  async (_, script) => {
    expect((await taskLines(script))[0]).toBe("0");
    expect(await taskLines(script, { filter })).toEqual(["unshare: unshare failed: Operation not permitted"]);
  },
);

/** A task tries to reach the kernel's packet filter through its own network namespace. */
it("a task opens no sockets of the packet filter or for raw packets", async () => {
  expect(await taskLines(packetFilter)).toEqual(["open", "open"]);
  expect(await taskLines(packetFilter, { filter })).toEqual([
    "unshare: unshare failed: Operation not permitted",
  ]);
});
