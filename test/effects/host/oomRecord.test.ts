/** Records of the kernel's log about processes that it killed for lack of memory. */
import { expect, it } from "vitest";
import { readOomRecord } from "../../../src/effects/host/oomRecord.ts";

const rest =
  "total-vm:2097152kB, anon-rss:65536kB, file-rss:0kB, shmem-rss:0kB, UID:80001 pgtables:180kB oom_score_adj:0";

it.each([
  [`3,1234,8279371000,-;Out of memory: Killed process 4711 (java) ${rest}\n`, { of: "host" }],
  [
    `3,1234,8279371000,-;Memory cgroup out of memory: Killed process 4711 (java) ${rest}\n SUBSYSTEM=x`,
    { of: "cgroup" },
  ],
  [
    `3,9,8279371000,-,caller=T1;Out of memory (oom_kill_allocating_task): Killed process 4711 (a b) ${rest}`,
    { of: "host" },
  ],
])("%j names the process", (record, expected) => {
  expect(readOomRecord(record)).toEqual({ pid: 4711, at: 8279.371, ...expected });
});

it.each([
  // Of a program, which may write anything.
  `11,1234,8279371000,-;Out of memory: Killed process 4711 (java) ${rest}`,
  "6,339,5140900,-;oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),task=java,pid=4711,uid=0",
  `6,339,5140900,-;app says Out of memory: Killed process 4711 (java) ${rest}`,
  "",
  "3,1,2",
])("%j names none", (record) => {
  expect(readOomRecord(record)).toBeUndefined();
});
