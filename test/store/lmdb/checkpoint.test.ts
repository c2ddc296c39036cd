import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Checkpoint, CheckpointFile, readCheckpoint } from "../../../src/store/lmdb/checkpoint.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const checkpoint = (n: number, pageSize = 4096): Checkpoint => ({
  bootId: `boot ${n}`,
  dataSize: 100_000 * n,
  metaPages: Buffer.alloc(2 * pageSize, n),
});

async function written(count: number): Promise<string> {
  const path = join(temporaryFolder(), "checkpoint");
  const file = CheckpointFile.open(path);
  for (let n = 1; n <= count; n++) await file.write(checkpoint(n));
  file.close();
  return path;
}

describe("checkpoints", () => {
  it("are read from the newest one, even with the largest pages", async () => {
    const path = await written(5);
    expect(readCheckpoint(path)).toMatchObject(checkpoint(5));
    const file = CheckpointFile.open(path);
    await file.write(checkpoint(6, 65536));
    await file.write(checkpoint(7, 65536));
    file.close();
    expect(readCheckpoint(path)).toMatchObject(checkpoint(7, 65536));
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it("do not exist in a new file, nor in a missing one", async () => {
    expect(readCheckpoint(await written(0))).toBeUndefined();
    expect(readCheckpoint(join(temporaryFolder(), "checkpoint"))).toBeUndefined();
  });

  it("stay valid if a later one is partial or damaged", async () => {
    const path = await written(4);
    const whole = readFileSync(path);
    const slot = 160 << 10;
    // Checkpoint 4 is in the first slot, checkpoint 3 in the second.
    fc.assert(
      fc.property(fc.nat({ max: 8200 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const torn = Buffer.from(whole);
        torn[at] = (torn[at] as number) ^ flip;
        writeFileSync(path, torn);
        expect(readCheckpoint(path)).toMatchObject(checkpoint(3));
      }),
      { numRuns: 60 },
    );
    writeFileSync(path, whole.subarray(0, slot + 50));
    expect(readCheckpoint(path)).toMatchObject(checkpoint(4));
    writeFileSync(path, Buffer.alloc(2 * slot, 0xff));
    expect(readCheckpoint(path)).toBeUndefined();
  });

  it("continue their numbers after the file was opened again", async () => {
    const path = await written(3);
    const file = CheckpointFile.open(path);
    await file.write(checkpoint(9));
    file.close();
    expect(readCheckpoint(path)).toMatchObject(checkpoint(9));
  });

  it("are written by one process at a time", async () => {
    const path = await written(1);
    const file = CheckpointFile.open(path);
    expect(() => CheckpointFile.open(path)).toThrow("writer already");
    file.close();
    file.close();
    CheckpointFile.open(path).close();
  });
});
