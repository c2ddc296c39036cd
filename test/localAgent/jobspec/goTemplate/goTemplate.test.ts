import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { goPatterns } from "../../../../src/localAgent/files/goPatterns.ts";
import { openGoTemplate } from "../../../../src/localAgent/jobspec/goTemplate/evaluate.ts";
import { TemplateError } from "../../../../src/localAgent/jobspec/templateError.ts";

const env = {
  NAME: "web",
  PORTS: "80, 443",
  JSON: '{"a": {"b": [1, 2.5, 8080]}, "on": true, "n": 1000000}',
  EMPTY: "",
};
const now = Date.UTC(2026, 0, 31, 15, 4, 5);

function rendered(source: string): string {
  const { problems, render } = openGoTemplate(
    source,
    { left: "{{", right: "}}" },
    { env, now, patterns: goPatterns(), servers: {} },
  );
  for (const problem of problems) throw problem;
  return render();
}

const json = '{{ $d := env "JSON" | parseJSON }}';

describe("a template", () => {
  it.each([
    ["plain { } text\n", "plain { } text\n"],
    ['{{ env "NAME" }}', "web"],
    ['{{ env "UNSET" }}|{{ envOrDefault "UNSET" "x" }}', "|x"],
    ['a {{- " b " -}} c', "a b c"],
    ["a {{/* a comment */}} b {{- /* another */ -}} c", "a  bc"],
    ['{{ if env "EMPTY" }}a{{ else if env "NAME" }}b{{ else }}c{{ end }}', "b"],
    ['{{ with env "NAME" }}<{{ . }}>{{ else }}none{{ end }}', "<web>"],
    ['{{ with env "UNSET" }}<{{ . }}>{{ else }}none{{ end }}', "none"],
    ['{{ range env "PORTS" | split "," }}[{{ . | trimSpace }}]{{ end }}', "[80][443]"],
    ['{{ range $i, $p := split "," "a,b" }}{{ if $i }};{{ end }}{{ $i }}={{ $p }}{{ end }}', "0=a;1=b"],
    ["{{ range loop 3 }}{{ . }}{{ end }}{{ range loop 2 5 }}{{ . }}{{ end }}", "012234"],
    ['{{ range split "," "" }}x{{ else }}none{{ end }}', "none"],
    [
      "{{ range loop 9 }}{{ if eq . 2 }}{{ continue }}{{ end }}{{ if gt . 4 }}{{ break }}{{ end }}{{ . }}{{ end }}",
      "0134",
    ],
    [
      `${json}{{ $d.a.b }} {{ index $d.a.b 2 }} {{ $d.on }} {{ $d.n }} {{ $d.missing }}`,
      "[1 2.5 8080] 8080 true 1e+06 <no value>",
    ],
    [`${json}{{ range $k, $v := $d }}{{ $k }},{{ end }}{{ len $d.a.b }}`, "a,n,on,3"],
    [`${json}{{ with $d.a }}{{ .b | toJSON }} {{ $.x }}{{ end }}`, undefined],
    [`${json}{{ (index $d "a").b }}`, "[1 2.5 8080]"],
    ["{{ $x := 1 }}{{ range loop 3 }}{{ $x = add $x . }}{{ end }}{{ $x }}", "4"],
    ["{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}", "21"],
    [
      '{{ define "row" }}<{{ . }}>{{ end }}{{ template "row" "a" }}{{ template "row" env "NAME" }}',
      "<a><web>",
    ],
    ['{{ block "b" 5 }}[{{ . }}]{{ end }}', "[5]"],
    ["{{ `raw\\n` }}{{ \"tab\\t\\u00e9\" }}{{ 'a' }}", "raw\\ntab\té97"],
    ["{{ 0x1f }} {{ 1.50 }} {{ -3 }} {{ 1_000 }} {{ 010 }} {{ true }}", "31 1.5 -3 1000 8 true"],
    ['{{ and 1 0 true }} {{ or 0 "x" }} {{ not 0 }}', "0 x true"],
    [
      '{{ eq "a" "b" "a" }} {{ ne 1 2 }} {{ lt 1 2 }} {{ ge "b" "a" }} {{ le 1.5 1 }}',
      "true true true true false",
    ],
    ['{{ printf "%s:%d %05.1f %q" "a" 5 1.25 "b" }}', 'a:5 001.3 "b"'],
    ['{{ printf "%v %v" (loop 2) nil }}', "[0 1] <no value>"],
    ['{{ print 1 2 "a" 3 }}|{{ println "x" }}', "1 2a3|x\n"],
    ['{{ "hello world" | toTitle }} {{ toUpper "a" }} {{ "A" | toLower }}', "Hello World A a"],
    [
      '{{ "a.b.c" | replaceAll "." "-" }} {{ "a1" | regexReplaceAll "[0-9]" "<$0>" }} {{ "ab" | regexMatch "^a" }}',
      "a-b-c a<1> true",
    ],
    ["{{ html `<a href='b'>&\"` }}", "&lt;a href=&#39;b&#39;&gt;&amp;&#34;"],
    ['{{ loop 3 | len }} {{ split "," "a,b" | join "+" }}', "3 a+b"],
    [
      '{{ "x" | base64Encode }} {{ "eA==" | base64Decode }} {{ "a" | sha256Hex | len }} {{ "" | md5sum }}',
      "eA== x 64 d41d8cd98f00b204e9800998ecf8427e",
    ],
    [
      "{{ 7 | subtract 2 }} {{ 7 | divide 2 }} {{ 7 | modulo 4 }} {{ multiply 2 1.5 }} {{ minimum 2 1 }} {{ maximum 2 1 }}",
      "5 3 3 3 1 2",
    ],
    ['{{ "5" | parseInt | add 1 }} {{ "1.5" | parseFloat }} {{ "true" | parseBool }}', "6 1.5 true"],
    ['{{ if in (split "," "a,b") "b" }}y{{ end }}{{ if split "," "a,b" | contains "a" }}z{{ end }}', "yz"],
    ['{{ "a\\nb" | indent 2 }}', "  a\n  b"],
    [
      '{{ timestamp }} {{ timestamp "unix" }} {{ timestamp "Mon 02 Jan 06 03:04PM MST" }}',
      "2026-01-31T15:04:05Z 1769871845 Sat 31 Jan 26 03:04PM UTC",
    ],
    [
      '{{ `{"b":1,"a":"<"}` | parseJSON | toJSON }} {{ `{"a":"<"}` | parseJSON | toUnescapedJSON }}',
      '{"a":"\\u003c","b":1} {"a":"<"}',
    ],
    ['{{ html "<a&b>" }} {{ urlquery "a b&c" }} {{ slice "hello" 1 3 }}', "&lt;a&amp;b&gt; a+b%26c el"],
    ["{{ 12345678.5 | print }} {{ 0.00001 | print }} {{ 1e21 | print }}", "1.23456785e+07 1e-05 1e+21"],
  ])("%s", (source, expected) => {
    if (expected === undefined) expect(() => rendered(source)).toThrow(TemplateError);
    else expect(rendered(source)).toBe(expected);
  });

  it.each([
    ["a\nb {{ if }}", "line 2 of the template: a value or a function is missing"],
    ["{{ if true }}", "an {{ end }} is missing"],
    ["{{ end }}", "{{ end }} closes nothing"],
    ["{{ range loop 3 }}{{ else }}{{ else }}{{ end }}", "an {{ end }} is missing"],
    ["{{ $x }}", "there is no variable $x"],
    ["{{ $x = 1 }}", "there is no variable $x"],
    ['{{ toUppr "a" }}', "there is no function toUppr. Did you mean toUpper?"],
    ['{{ "a" "b" }}', "a value is not a function, and takes no arguments"],
    ["{{ toUpper 5 }}", "toUpper: it wants a string, not a whole number"],
    ["{{ toUpper }}", "toUpper: it wants 1 value, not 0"],
    ['{{ "a".b }}', "a value is not a function"],
    ['{{ (print "a").b }}', "a string has no field b"],
    ['{{ mustEnv "UNSET" }}', "mustEnv: the task has no variable UNSET"],
    ["{{ index (loop 2) 5 }}", "index: its list has 2 items, and no item 5"],
    ['{{ template "none" }}', 'no template is defined as "none"'],
    ['{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}', "calls itself too often"],
    ["{{ divide 0 1 }}", "divide: a division by zero"],
    ['{{ env "NAME" ', "{{ without }}"],
    ['{{ secret "kv/x" }}', "secret needs Vault, and a local run has none"],
    ['{{ service "web" }}', "service needs Consul, and a local run has none"],
    ['{{ with nomadVar "x" }}{{ end }}', "nomadVar needs a Nomad server, and a local run has none"],
    ['{{ file "x" }}', "file accesses files or programs"],
    ['{{ sprig_upper "x" }}', "sprig_upper is missing in a local run, as all of sprig is"],
    ['{{ scratch.Set "x" "y" }}', "scratch is missing in a local run"],
    ['{{ "" | parseYAML }}', "parseYAML is missing in a local run"],
    ["{{ ~ }}", '"~" has no place in an action'],
  ])("%s is refused", (source, message) => {
    expect(() => rendered(source)).toThrow(message);
  });

  it("that is far too deep or too long is refused, and exhausts neither stack nor memory", () => {
    const deep = `{{ if true }}`.repeat(90);
    for (const source of [
      `{{ define "a" }}${deep}{{ template "a" }}${"{{ end }}".repeat(91)}{{ template "a" }}`,
      '{{ define "a" }}{{ if gt . 0 }}{{ template "a" (subtract 1 .) }}{{ template "a" (subtract 1 .) }}{{ end }}{{ end }}{{ template "a" 60 }}',
      "{{ if true }}".repeat(5_000),
      `{{ ${"(".repeat(5_000)} }}`,
      "{{ range loop 100000 }}{{ range loop 100000 }}{{ end }}{{ end }}",
      "{{ range loop 1000 }}{{ range loop 900 }}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{{ end }}{{ end }}",
    ]) {
      expect(() => rendered(source)).toThrow(TemplateError);
    }
  });
});

describe("any template", () => {
  const lively = fc.array(
    fc.constantFrom(
      ...'{{ }} {{- -}} if else end range with define $x := = . .a ( ) | , "a" `b` 1 2.5 env print loop true nil \n text /* */'.split(
        " ",
      ),
    ),
    { maxLength: 30 },
  );

  it("is rendered or refused, whatever the text", () => {
    fc.assert(
      fc.property(lively, (pieces) => {
        try {
          rendered(pieces.join(" "));
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(TemplateError);
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it("without actions is its own text, and a literal is printed unchanged", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        fc.pre(!text.includes("{{") && !text.includes("`") && !text.includes("}}"));
        expect(rendered(text)).toBe(text);
        expect(rendered(`{{ \`${text}\` }}`)).toBe(text);
        expect(rendered(`{{ \`${text}\` | base64Encode | base64Decode }}`)).toBe(text);
      }),
    );
  });

  it("of JSON keeps its value", () => {
    const value = fc.jsonValue({ maxDepth: 3 }).filter((data) => !JSON.stringify(data).includes("`"));
    fc.assert(
      fc.property(value, (data) => {
        const text = rendered(`{{ \`{"x":${JSON.stringify(data)}}\` | parseJSON | toUnescapedJSON }}`);
        expect(JSON.parse(text)).toEqual(JSON.parse(`{"x":${JSON.stringify(data)}}`));
      }),
    );
  });

  it("with nested conditions takes the branches that its values select", () => {
    const tree = fc.letrec<{ node: readonly [string, string] }>((tie) => ({
      node: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom("a", "b", "-").map((text) => [text, text] as const),
        fc
          .tuple(fc.boolean(), tie("node"), tie("node"))
          .map(
            ([holds, yes, no]) =>
              [`{{ if ${holds} }}${yes[0]}{{ else }}${no[0]}{{ end }}`, holds ? yes[1] : no[1]] as const,
          ),
        fc
          .tuple(fc.nat(3), tie("node"))
          .map(
            ([count, body]) =>
              [`{{ range loop ${count} }}${body[0]}{{ end }}`, body[1].repeat(count)] as const,
          ),
      ),
    })).node;
    fc.assert(fc.property(tree, ([source, expected]) => rendered(source) === expected));
  });
});
