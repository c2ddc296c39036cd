/** A task tries to create a user namespace, in which it would have every capability. */
import { expect, it } from "vitest";
import { filterOf, taskLines } from "../support/launch/launchRun.ts";

const filter = filterOf();

it.each([
  ["by unshare", "unshare --user --map-root-user sh -c 'id -u; hostname x 2>&1 || true'"],
  ["by clone", "unshare --user --map-root-user --pid --fork sh -c 'id -u'"],
])("a task does not become root in a user namespace that it makes %s", async (_, script) => {
  expect((await taskLines(script))[0]).toBe("0");
  expect(await taskLines(script, { filter })).toEqual(["unshare: unshare failed: Operation not permitted"]);
});

/** A task tries to reach the kernel's packet filter through its own network namespace. */
it("a task opens no sockets of the packet filter or for raw packets", async () => {
  const script = `unshare --user --map-root-user --net perl -e '
    for ([16, 3, 12], [17, 3, 0]) { print socket(my $socket, $$_[0], $$_[1], $$_[2]) ? "open" : "$!", "\\n" }'`;
  expect(await taskLines(script)).toEqual(["open", "open"]);
  expect(await taskLines(script, { filter })).toEqual(["unshare: unshare failed: Operation not permitted"]);
});
