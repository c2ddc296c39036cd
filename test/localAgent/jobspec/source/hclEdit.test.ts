import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { jobFile } from "../../../../src/localAgent/jobspec/jobFile.ts";
import { addToList, setAttribute } from "../../../../src/localAgent/jobspec/source/hclEdit.ts";
import { parseFile } from "../../../../src/localAgent/jobspec/syntax.ts";

const config = [["job", undefined], ["group", "web"], ["task", "server"], ["config"]] as const;

/** A job with text that looks like a config block. */
function jobWith(block: string): string {
  return `# config { unveil = [] }
job "a" {
  group "other" {
    task "server" {
      config { command = "wrong" }
    }
  }
  group "web" { /* config { } */
    task "server" {
      template {
        data = <<EOF
config { unveil = "}" }
EOF
      }
      env {
        TEXT = "config { \${join("}", ["{"])} $\${x} \\" }"
      }
      config ${block}
      // the end
    }
  }
}
`;
}

const add = (block: string, ...items: string[]) => addToList(jobWith(block), config, "unveil", items);

describe("a list of a block", () => {
  it("is added after the block's attributes", () => {
    const added = `\n        unveil = [\n          "r:/a",\n        ]\n      }`;
    expect(add(`{\n        command = "x" # why\n      }`, "r:/a")).toBe(
      jobWith(`{\n        command = "x" # why${added}`),
    );
    expect(add(`{ command = "x" }`, "r:/a")).toBe(jobWith(`{\n        command = "x"${added}`));
    expect(add("{}", "r:/a")).toBe(jobWith(`{${added}`));
  });

  it("is extended on its line, and keeps the comment after it", () => {
    expect(add(`{\n        unveil = ["r:/a"] # why\n      }`, "r:/b", "r:/c")).toBe(
      jobWith(`{\n        unveil = ["r:/a", "r:/b", "r:/c"] # why\n      }`),
    );
    expect(add(`{\n        unveil = []\n      }`, "r:/b")).toBe(
      jobWith(`{\n        unveil = ["r:/b"]\n      }`),
    );
  });

  it("is extended by lines of its own, and keeps the comments in it", () => {
    const list = (comma: string, more: string) =>
      `{\n        unveil = [\n          # first\n          "r:/a", # one\n          "r:/b"${comma} # two\n${more}        ]\n      }`;
    expect(add(list("", ""), "r:/c")).toBe(jobWith(list(",", `          "r:/c",\n`)));
    expect(add(list(",", ""), "r:/c")).toBe(jobWith(list(",", `          "r:/c",\n`)));
  });

  it("that is an expression stays an expression", () => {
    expect(add("{\n        unveil = var.paths\n      }", "r:/c")).toBe(
      jobWith(`{\n        unveil = concat(var.paths, ["r:/c"])\n      }`),
    );
  });

  it("is not changed if the block does not exist, or exists more than once", () => {
    expect(addToList(jobWith("{}"), [["job", "b"]], "unveil", ["r:/a"])).toBeUndefined();
    expect(addToList("a {\n}\na {\n}\n", [["a"]], "x", ["y"])).toBeUndefined();
    expect(addToList("a {", [["a"]], "x", ["y"])).toBeUndefined();
  });

  it("holds any added texts when it is parsed", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: "grapheme-ascii" }), { minLength: 1 }), async (texts) => {
        const source = addToList(`a {\n  x = ["first", # c\n  ]\n}\n`, [["a"]], "x", texts) ?? "";
        const parsed = (await parseFile(jobFile("x", source))) as { a: [{ x: string[] }] };
        const plain = texts.map((text) => text.replaceAll(/[$%](?=\{)/g, (sign) => sign + sign));
        expect(parsed.a[0].x).toEqual(["first", ...plain]);
      }),
      { numRuns: 50 },
    );
  });
});

describe("an attribute of a block", () => {
  it("is changed where it stands, or added", () => {
    const set = (block: string) => setAttribute(jobWith(block), config, "identity_files", "true");
    expect(set("{\n        identity_files = false # no\n      }")).toBe(
      jobWith("{\n        identity_files = true # no\n      }"),
    );
    expect(set("{\n\t  x = 1\n      }")).toBe(jobWith("{\n\t  x = 1\n\t  identity_files = true\n      }"));
  });
});

describe("any text", () => {
  it("is scanned to its end", () => {
    const pieces = fc.constantFrom(
      "a",
      " ",
      "=",
      "{",
      "}",
      "[",
      "]",
      '"',
      "${",
      "<<E\n",
      "E\n",
      "#",
      "/*",
      "*/",
      "\n",
      "\\",
      ",",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 40 }), (parts) => {
        addToList(`a {\n${parts.join("")}\n}`, [["a"]], "b", ["c"]);
      }),
    );
  });
});
