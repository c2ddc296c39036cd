import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { releaseMemory, unchangedMappings } from "../../../src/effects/processes/ownMemory.ts";

const mapping = (line: string, anonymousKb: number) => `${line}
Size:                256 kB
Rss:                 128 kB
Anonymous:         ${String(anonymousKb).padStart(7)} kB
VmFlags: rd ex mr mw me
`;

it("knows the mappings of a file that hold nothing but its pages", () => {
  const smaps = [
    mapping("00400000-0082e000 r--p 00000000 fe:00 53166                     /opt/the plugin", 0),
    mapping("0082e000-03489000 r-xp 0042e000 fe:00 53166                     /opt/the plugin", 0),
    // Written to by the dynamic linker, before it was made read-only.
    mapping("072a7000-072dc000 r--p 06ea7000 fe:00 53166                     /opt/the plugin", 4),
    mapping("072dc000-07308000 rw-p 06edc000 fe:00 53166                     /opt/the plugin", 0),
    mapping("7f0000000000-7f0000001000 r--p 00000000 fe:00 77                /opt/the plugin.so", 0),
    mapping("7f0000001000-7f0000002000 r--p 00000000 00:00 0 ", 0),
  ].join("");
  expect(unchangedMappings(smaps, "/opt/the plugin")).toEqual([
    { address: 0x400000n, bytes: 0x42e000n },
    { address: 0x82e000n, bytes: 0x2c5b000n },
  ]);
});

it("unmaps the executable's pages, and the process goes on", async () => {
  const before = residentKb();
  await releaseMemory();
  expect(residentKb()).toBeLessThan(before);
});

/** Pages of files that are mapped: proc_pid_status(5). */
function residentKb(): number {
  return Number(/^RssFile:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
}
