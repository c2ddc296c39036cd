import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LinePrefixer } from "../../../src/cli/terminal/taskLines.ts";

function prefixed(chunks: readonly (string | Uint8Array)[], prefix = "> "): Buffer {
  const prefixer = new LinePrefixer(prefix);
  return Buffer.concat([...chunks.map((chunk) => prefixer.push(Buffer.from(chunk))), prefixer.end()]);
}

describe("lines of a task's output", () => {
  it("each have a prefix, however the output is split into chunks", () => {
    expect(String(prefixed(["a\nb", "c\n", "\n", "d"]))).toBe("> a\n> bc\n> \n> d\n");
  });

  it("wait until they are complete", () => {
    const prefixer = new LinePrefixer("> ");
    expect(String(prefixer.push(Buffer.from("half")))).toBe("");
    expect(String(prefixer.push(Buffer.from(" whole\nnext")))).toBe("> half whole\n");
    expect(String(prefixer.end())).toBe("> next\n");
    expect(prefixer.end().length).toBe(0);
  });

  it("are printed in pieces if they do not end", () => {
    const prefixer = new LinePrefixer("> ");
    const chunk = Buffer.alloc(50_000, "x");
    expect(prefixer.push(chunk).length).toBe(0);
    expect(prefixer.push(chunk).length).toBe(2 + 100_000 + 1);
  });

  it("are the same bytes, wherever the chunks begin", () => {
    const bytes = fc
      .uint8Array({ maxLength: 40 })
      .map((array) => array.map((byte) => (byte % 5 === 0 ? 10 : byte)));
    fc.assert(
      fc.property(fc.array(bytes), (chunks) => {
        const all = Buffer.concat(chunks);
        expect(prefixed(chunks)).toEqual(prefixed([all]));
        const text = prefixed(chunks, "").toString("latin1");
        const ended = all.length === 0 || all.at(-1) === 10 ? "" : "\n";
        expect(text).toBe(all.toString("latin1") + ended);
      }),
    );
  });
});
