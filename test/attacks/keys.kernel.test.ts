/** keyrings(7): a task gets no keys of the agent, and no keys of an earlier task with its uid. */
import { execFileSync } from "node:child_process";
import koffi from "koffi";
import { expect, it, onTestFinished } from "vitest";
import { systemCallNumber } from "../../src/effects/kernel/systemCalls.ts";
import { execOutcome, execTarget } from "../support/launch/execRun.ts";
import { filterOf, TestRun, taskLines } from "../support/launch/launchRun.ts";

const architecture = process.arch === "arm64" ? "arm64" : "x64";
const [addKey, keyctl] = (["add_key", "keyctl"] as const).map((call) => systemCallNumber(call, architecture));
const SESSION_KEYRING = -3;
const USER_KEYRING = -4;
const [JOIN_SESSION_KEYRING, CLEAR, LINK, SEARCH, READ] = [1, 7, 8, 10, 11];
const [EPERM, ENOKEY] = [1, 126];
const name = `exec2-test-${process.pid}`;

/** Passes variables to Perl's syscall(), which refuses string constants. */
const perl = (script: string) =>
  `perl -e 'my ($type, $name, $content) = ("user\\0", "${name}\\0", "secret" . "\\0" x 64); ${script}'`;

const add = (keyring: number) =>
  perl(`
    my $key = syscall(${addKey}, $type, $name, $content, 6, ${keyring});
    print $key == -1 ? "error " . ($! + 0) : "added", "\\n"`);

/**
 * Looks for the key in a keyring, and prints the key's content. A process may read the keys of all keyrings
 * in its session.
 */
const read = (keyring: number) =>
  perl(`
    syscall(${keyctl}, ${LINK}, ${keyring}, ${SESSION_KEYRING});
    my $key = syscall(${keyctl}, ${SEARCH}, ${keyring}, $type, $name, 0);
    my $length = $key == -1 ? -1 : syscall(${keyctl}, ${READ}, $key, $content, 64);
    print $length == -1 ? "error " . ($! + 0) : substr($content, 0, $length), "\\n"`);

it("without the filter a key in the user keyring outlives its task and reaches the next task with the uid", async () => {
  onTestFinished(
    async () => void (await taskLines(`perl -e 'syscall(${keyctl}, ${CLEAR}, ${USER_KEYRING})'`)),
  );
  expect(await taskLines(add(USER_KEYRING))).toEqual(["added"]);
  expect(await taskLines(read(USER_KEYRING))).toEqual(["secret"]);
  const filter = filterOf();
  expect(await taskLines(read(USER_KEYRING), { filter })).toEqual([`error ${EPERM}`]);
  expect(await taskLines(add(USER_KEYRING), { filter })).toEqual([`error ${EPERM}`]);
});

it("a key in the agent's session keyring reaches the agent's programs, but no task, even without a filter", async () => {
  // This process plays the agent: a thread's session keyring is inherited by its children.
  const syscall = koffi.load(null).func("syscall", "long", ["long", "long", "long", "long", "long", "long"]);
  expect(syscall(keyctl, JOIN_SESSION_KEYRING, 0, 0, 0, 0)).toBeGreaterThan(0);
  const addTo = koffi.load(null).func("syscall", "long", ["long", "str", "str", "str", "size_t", "int"]);
  expect(addTo(addKey, "user", name, "secret", 6, SESSION_KEYRING)).toBeGreaterThan(0);
  const script = read(SESSION_KEYRING);
  expect(execFileSync("sh", ["-c", script], { encoding: "utf8" })).toBe("secret\n");
  expect(await taskLines(script)).toEqual([`error ${ENOKEY}`]);
  expect(await taskLines(script, { uid: 0, gid: 0 })).toEqual([`error ${ENOKEY}`]);
  using run = new TestRun();
  const target = await execTarget(run);
  expect(await execOutcome(target, script)).toMatchObject({ stdout: `error ${ENOKEY}\n` });
});
