/** Arbitrary inputs of a launch. */
import fc from "fast-check";
import { newStream } from "../../../src/effects/logs/logger.ts";
import { defaultTaskOptions } from "../../../src/effects/parts.ts";
import type { LaunchInput } from "./wholeLaunch.ts";

const text = fc.string({ unit: "binary" }).filter((value) => !value.includes("\0"));
const path = text.map((value) => `/${value}`);
const name = fc.string({ unit: "grapheme-ascii", minLength: 1 }).filter((value) => !value.includes("="));
const capabilities = fc.bigInt({ min: 0n, max: 2n ** 41n - 1n });
const id = fc.integer({ min: 0, max: 2 ** 32 - 2 });

const anyOptions = fc
  .record({
    oomScoreAdj: fc.integer({ min: 0, max: 1000 }),
    umask: fc.integer({ min: 0, max: 0o777 }).map((mask) => mask.toString(8).padStart(3, "0")),
    nice: fc.integer({ min: 0, max: 19 }),
    ipcMode: fc.constantFrom("private" as const, "host" as const),
  })
  .map((options) => ({ ...defaultTaskOptions(), ...options }));

export const anyLaunchInput: fc.Arbitrary<LaunchInput> = fc.record({
  options: anyOptions,
  initName: text,
  cgroup: fc.option(path, { nil: undefined }),
  network: fc.oneof(
    fc.constant({ kind: "host" } as const),
    fc.constant({ kind: "loopback" } as const),
    path.map((value) => ({ kind: "join", path: value }) as const),
  ),
  hostname: fc.option(fc.stringMatching(/^[a-z0-9-]{1,64}$/), { nil: undefined }),
  root: fc.oneof(
    fc.constant({ kind: "host" } as const),
    fc.record({
      kind: fc.constant("private" as const),
      folders: fc.array(path, { maxLength: 3 }),
      parents: fc.array(path, { maxLength: 2 }),
      ownMounts: fc.subarray(["/dev/shm", "/dev/pts"]),
      maskProc: fc.boolean(),
      shmBytes: fc.nat(),
    }),
  ),
  binds: fc.array(fc.record({ source: path, target: path, readOnly: fc.boolean() }), { maxLength: 4 }),
  readOnlyFolders: fc.array(path, { maxLength: 2 }),
  mounts: fc.array(
    fc.record({
      kind: fc.constantFrom("volume" as const, "device" as const),
      source: path,
      target: path,
      isFolder: fc.constant(true),
      readOnly: fc.boolean(),
      propagation: fc.constantFrom("private" as const, "host-to-task" as const),
    }),
    { maxLength: 4 },
  ),
  hidden: fc.array(fc.record({ path, isFolder: fc.boolean() }), { maxLength: 4 }),
  knownRules: fc.array(fc.record({ path, access: fc.nat(0x7fff) }), { maxLength: 4 }),
  namespaceRules: fc.array(
    fc.record({
      path,
      access: fc.nat(0x7fff),
      addedBy: fc.constantFrom("init" as const, "task" as const),
      required: fc.boolean(),
    }),
    { maxLength: 4 },
  ),
  privateTmp: fc.option(path, { nil: undefined }),
  statusFile: path,
  aliveFifo: path,
  command: path,
  name: text,
  args: fc.array(text),
  env: fc.dictionary(name, text),
  workDir: path,
  uid: id,
  gid: id,
  groups: fc.array(id, { maxLength: 8 }),
  limits: fc.array(
    fc.record({
      resource: fc.constantFrom("RLIMIT_NOFILE" as const, "RLIMIT_CORE" as const, "RLIMIT_AS" as const),
      soft: fc.nat(),
      hard: fc.oneof(fc.nat(), fc.constant(Number.POSITIVE_INFINITY)),
    }),
    { maxLength: 4 },
  ),
  capabilities: fc.option(fc.record({ kept: capabilities, dropped: capabilities }), { nil: undefined }),
  filter: fc.option(
    fc.record({
      name: text,
      program: fc
        .uint8Array({ minLength: 8, maxLength: 800 })
        .map((bytes) => bytes.subarray(0, bytes.length & ~7)),
    }),
    { nil: undefined },
  ),
  recordDenials: fc.boolean(),
  logger: fc.option(
    fc.record({
      ...{ name, base: fc.stringMatching(/^[a-z0-9-]{1,64}$/), recordFile: path, aliveFifo: path },
      maxFiles: fc.integer({ min: 1, max: 1000 }),
      maxFileBytes: fc.integer({ min: 4096 }),
      bytesPerSecond: fc.nat(),
      streams: fc.constant({ stdout: newStream, stderr: newStream }),
    }),
    { nil: undefined },
  ),
  relay: fc.constant(undefined),
  runCgroup: fc.option(fc.record({ parent: path, name }), { nil: undefined }),
});
