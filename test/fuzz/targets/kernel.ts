/**
 * Parsers of texts from the kernel and the host's files. Other users can choose some names and fields in
 * these texts.
 */

import {
  parseBytes,
  parseCpuStat,
  parseFlatKeyed,
  parseMemory,
} from "../../../src/effects/cgroup/cgroupFigures.ts";
import { cpuinfoMhz, parseCpuList } from "../../../src/effects/cgroup/nodeCores.ts";
import { mountPoints, receivesMounts, unpropagatedMounts } from "../../../src/effects/paths/mountinfo.ts";
import { parseReport } from "../../../src/effects/plan/spawnPlan.ts";
import { unchangedMappings } from "../../../src/effects/processes/ownMemory.ts";
import { parseStat } from "../../../src/effects/processes/processStat.ts";
import { idRangesProblem, isInRanges, parseId } from "../../../src/effects/users/idRanges.ts";
import {
  entryOfName,
  entryOfUid,
  gidOfName,
  isSubordinate,
  nameOfGid,
  servicesOf,
} from "../../../src/effects/users/passwd.ts";
import { parseDuration } from "../../../src/units/durations.ts";
import { parseSize } from "../../../src/units/sizes.ts";
import { formatTime, parseTime } from "../../../src/units/times.ts";
import { hold, type Target } from "../target.ts";

/** The parsers. None of them may throw or return NaN. */
const readers: readonly ((text: string, bytes: Buffer) => unknown)[] = [
  (text) => mountPoints(text, "cgroup2"),
  (text) => receivesMounts(text, 31),
  (text) => unpropagatedMounts(text, ["/", "/srv"]),
  (text) => parseStat(text),
  (_, bytes) => parseReport(bytes),
  (text) => [...parseFlatKeyed(text)],
  (text) => parseCpuStat(text),
  (text) => parseMemory({ stat: text, current: text, peak: undefined, swap: text }),
  (text) => parseBytes(text),
  (text) => [...cpuinfoMhz(text)],
  (text) => entryOfName(text, "web") ?? entryOfUid(text, 80_000),
  (text) => gidOfName(text, "adm") ?? nameOfGid(text, 4),
  (text) => isSubordinate(100_000, text),
  (text) => servicesOf(text, "passwd"),
  (text) => unchangedMappings(text, "/usr/bin/node").length,
  (text) => parseId(text),
  (text) => idRangesProblem(text) === undefined && isInRanges(5, text),
  (text) => parseDuration(text),
  (text) => parseSize(text),
  (text) => {
    const time = parseTime(text, 0);
    return time === undefined ? undefined : formatTime(time);
  },
  (text) => (/^[\d,-]{1,8}$/.test(text) && !/\d{4}/.test(text) ? parseCpuList(text) : []),
];

/** Input: the number of a parser, then its text. */
export const kernelTexts: Target = {
  fuzz: (bytes) => {
    const read = readers[(bytes[0] ?? 0) % readers.length] as (typeof readers)[number];
    const text = bytes.subarray(1);
    const found = JSON.stringify(read(text.toString("latin1"), text), (_, value: unknown) => {
      hold(!(typeof value === "number" && Number.isNaN(value)), `reader ${bytes[0]} finds NaN`);
      return value;
    });
    hold(found === undefined || !found.includes("Invalid"), `reader ${bytes[0]} finds ${found}`);
  },
  seeds: () =>
    [
      [0, "31 23 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n"],
      [1, "31 23 0:27 / /a\\040b rw master:3 - ext4 /dev/vda rw\n"],
      [2, "31 1 0:27 / / rw - ext4 /dev/vda rw\n32 31 0:28 / /srv rw shared:4 - tmpfs none rw\n"],
      [3, "201 (a) b) c) S 1 201 201 0 -1 4194560 1 0 0 0 5 6 7 8 20 0 1 0 5000 0 0 0"],
      [
        4,
        Buffer.concat([
          Buffer.alloc(8),
          Buffer.from("201 (x) S 1 201 201 0 -1 4194560 1 0 0 0 5 6 7 8 20 0 1 0 5000"),
          Buffer.alloc(300),
        ]),
      ],
      [4, Buffer.from([1, 16, 0, 0, 0, 0, 0, 0, 13, 0, 0, 0, 0, 0, 0, 0])],
      [5, "anon 100\nfile 200\nkernel 7\n"],
      [6, "user_usec 1\nsystem_usec 2\nnr_throttled 3\nthrottled_usec 4\n"],
      [8, "max\n"],
      [9, "processor\t: 0\ncpu MHz\t\t: 2445.404\n"],
      [10, "root:x:0:0:root:/root:/bin/bash\nweb:x:80000:80000::/:/bin/sh\n"],
      [11, "adm:x:4:syslog,me\n"],
      [12, "me:100000:65536\n"],
      [13, "passwd: files [NOTFOUND=return] sss # more\n"],
      [14, "00400000-00452000 r-xp 00000000 fe:01 173521 /usr/bin/node\nSize: 328 kB\nVmFlags: rd ex mr\n"],
      [16, "0-999,1001"],
      [17, "1h30m"],
      [18, "1.5GiB"],
      [19, "2026-11-24T16:05:09.123Z"],
      [20, "0-3,7"],
    ].map(([which, text]) => Buffer.concat([Buffer.of(which as number), Buffer.from(text as string)])),
};
