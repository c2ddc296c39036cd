/** Tests in child processes what a ruleset allows and refuses on the real kernel. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import net from "node:net";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { LATEST_ABI } from "../../../src/effects/landlock/rights.ts";
import { landlockAbi } from "../../../src/effects/landlock/ruleset.ts";
import { parseUnveil } from "../../../src/effects/unveil/unveil.ts";
import type { UnveilRule } from "../../../src/effects/unveil/unveilRules.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { type Attempt, restricted } from "../../support/launch/restricted.ts";
import { everyNth } from "../../support/rounds.ts";

const hostAbi = Math.min(landlockAbi(), LATEST_ABI);
/** ABIs that this kernel can emulate, with its own: an older ABI is the same with fewer rights. */
const abis = everyNth(
  3,
  Array.from({ length: hostAbi }, (_, index) => hostAbi - index),
);

const rule = (entry: string): UnveilRule => {
  const { path, mode } = parseUnveil(entry, "task");
  return { path, mode, sources: ["default"] };
};
/** Paths that programs need to start. */
const system = ["rx:/bin", "rx:/usr", "rx:/lib", "rx:/lib64", "r:/etc/ld.so.cache"].map(rule);

let base: string;

beforeEach(() => {
  base = temporaryFolder();
});

test("this kernel has Landlock, which all tests here need", () => {
  expect(hostAbi).toBeGreaterThan(0);
});

/** Creates a folder with a file of every kind. */
function populate(folder: string): string {
  mkdirSync(`${folder}/folder`, { recursive: true });
  for (const name of ["file", "other", "long"]) writeFileSync(`${folder}/${name}`, "content");
  copyFileSync("/bin/true", `${folder}/program`);
  chmodSync(`${folder}/program`, 0o755);
  return folder;
}

const onFolder = (folder: string): Attempt[] => [
  ["read", `${folder}/file`],
  ["list", folder],
  ["write", `${folder}/file`],
  ["truncate", `${folder}/long`],
  ["run", `${folder}/program`],
  ["makeFile", `${folder}/new`],
  ["makeFolder", `${folder}/newFolder`],
  ["makeLink", `${folder}/link`],
  ["makeFifo", `${folder}/fifo`],
  ["makeSocket", `${folder}/socket`],
  ["makeBlockDevice", `${folder}/block`],
  ["removeFile", `${folder}/other`],
  ["removeFolder", `${folder}/folder`],
  ["rename", `${folder}/file`, `${folder}/renamed`],
  ["makeCharDevice", `${folder}/char`],
];
const creating: readonly string[] = [
  "makeFile",
  "makeFolder",
  "makeLink",
  "makeFifo",
  "makeSocket",
  "makeBlockDevice",
  "removeFile",
  "removeFolder",
  "rename",
];

function expectedOnFolder(letters: string, abi: number): string[] {
  const allows = (what: string): boolean => {
    if (what === "read" || what === "list") return letters.includes("r");
    if (what === "write") return letters.includes("w");
    // Before ABI 3 Landlock could not refuse truncation.
    if (what === "truncate") return letters.includes("w") || abi < 3;
    // To execute a program, the kernel also opens it for reading.
    if (what === "run") return letters.includes("x") && letters.includes("r");
    return creating.includes(what) && letters.includes("c");
  };
  return onFolder("").map(([what]) => `${what} ${allows(what) ? "ok" : "EACCES"}`);
}

const named = (attempts: readonly Attempt[], outcomes: readonly string[]): string[] =>
  attempts.map(([what], index) => `${what} ${outcomes[index]}`);

describe.each(abis)("with the rights of ABI %i", (abi) => {
  test.each(["r", "w", "x", "c", "rx", "rw", "rwxc"])(
    "a folder with %s has only these rights",
    async (letters) => {
      const folder = populate(`${base}/${letters}`);
      const attempts = onFolder(folder);
      const outcomes = await restricted({ rules: [...system, rule(`${letters}:${folder}`)], abi, attempts });
      expect(named(attempts, outcomes)).toEqual(expectedOnFolder(letters, abi));
    },
  );

  test("a folder without a rule is closed, even if the folder beside it has one", async () => {
    populate(`${base}/beside`);
    const attempts = onFolder(populate(`${base}/none`));
    const outcomes = await restricted({ rules: [...system, rule(`rwxc:${base}/beside`)], abi, attempts });
    expect(named(attempts, outcomes)).toEqual(expectedOnFolder("", abi));
  });

  test("a file's rule holds for this file alone", async () => {
    populate(base);
    const rules = [rule(`r:${base}/file`), rule(`w:${base}/other`), rule(`rx:${base}/program`)];
    const attempts: Attempt[] = [
      ["read", `${base}/file`],
      ["write", `${base}/file`],
      ["truncate", `${base}/file`],
      ["removeFile", `${base}/file`],
      ["read", `${base}/other`],
      ["write", `${base}/other`],
      ["truncate", `${base}/other`],
      ["run", `${base}/program`],
      ["write", `${base}/program`],
      ["read", `${base}/long`],
      ["list", base],
    ];
    const outcomes = await restricted({ rules: [...system, ...rules], abi, attempts });
    expect(named(attempts, outcomes)).toEqual([
      "read ok",
      "write EACCES",
      `truncate ${abi < 3 ? "ok" : "EACCES"}`,
      "removeFile EACCES",
      "read EACCES",
      "write ok",
      "truncate ok",
      "run ok",
      "write EACCES",
      "read EACCES",
      "list EACCES",
    ]);
  });

  test("files move only between folders that have c", async () => {
    for (const name of ["one", "two", "closed"]) populate(`${base}/${name}`);
    const rules = [rule(`rwc:${base}/one`), rule(`rwc:${base}/two`), rule(`rw:${base}/closed`)];
    const attempts: Attempt[] = [
      ["rename", `${base}/one/file`, `${base}/two/moved`],
      ["hardLink", `${base}/one/long`, `${base}/two/linked`],
      ["rename", `${base}/one/other`, `${base}/closed/moved`],
      ["rename", `${base}/closed/other`, `${base}/one/taken`],
    ];
    const outcomes = await restricted({ rules, abi, attempts });
    // On EXDEV, programs fall back to a copy.
    expect(outcomes.slice(0, 2)).toEqual(abi < 2 ? ["EXDEV", "EXDEV"] : ["ok", "ok"]);
    expect(outcomes.slice(2)).toEqual(["EACCES", "EACCES"]);
  });

  test("device ioctls need w", async () => {
    const rules = [rule("rw:/dev/null"), rule("r:/dev/zero")];
    const outcomes = await restricted({
      rules,
      abi,
      attempts: [
        ["ioctl", "/dev/null"],
        ["ioctl", "/dev/zero"],
      ],
    });
    // ENOTTY comes from the device, so the call has reached it.
    expect(outcomes).toEqual(["ENOTTY", abi < 5 ? "ENOTTY" : "EACCES"]);
  });

  test("signals and abstract sockets are restricted to the sandbox", async () => {
    const outside = spawn("sleep", ["1000"]);
    onTestFinished(() => void outside.kill());
    const name = `exec2-test-${process.pid}-${abi}`;
    const server = net.createServer((socket) => socket.destroy()).listen(`\0${name}`);
    onTestFinished(() => void server.close());
    await once(server, "listening");
    const attempts: Attempt[] = [
      ["signal", String(outside.pid)],
      ["connectAbstract", name],
      ["signalChild", ""],
    ];
    const rules = [...system, rule("rw:/dev/null")];
    const closed = abi < 6 ? "ok" : "EPERM";
    expect(await restricted({ rules, abi, attempts })).toEqual([closed, closed, "ok"]);
    expect(await restricted({ rules, abi, attempts, scopes: 0 })).toEqual(["ok", "ok", "ok"]);
  });

  test("connections to sockets in folders need w", async () => {
    const attempts: Attempt[] = ["w", "rxc"].map((letters) => {
      mkdirSync(`${base}/${letters}`);
      const server = net.createServer((socket) => socket.destroy()).listen(`${base}/${letters}/socket`);
      onTestFinished(() => void server.close());
      return ["connect", `${base}/${letters}/socket`];
    });
    const rules = ["w", "rxc"].map((letters) => rule(`${letters}:${base}/${letters}`));
    expect(await restricted({ rules, abi, attempts })).toEqual(["ok", abi < 9 ? "ok" : "EACCES"]);
  });

  test("a process can connect to its own socket without w", async () => {
    const rules = [rule(`rc:${base}`)];
    const attempts: Attempt[] = [["connectOwn", `${base}/socket`]];
    expect(await restricted({ rules, abi, attempts })).toEqual(["ok"]);
  });
});
