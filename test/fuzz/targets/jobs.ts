/** Job files, an agent's plugin block, and the text of their templates. */
import { checkFile } from "../../../src/localAgent/files/checkFile.ts";
import { goPatterns } from "../../../src/localAgent/files/goPatterns.ts";
import { noHost } from "../../../src/localAgent/jobspec/expressions/functions/files.ts";
import { hclEvaluator } from "../../../src/localAgent/jobspec/expressions/hcl.ts";
import { openGoTemplate } from "../../../src/localAgent/jobspec/goTemplate/evaluate.ts";
import { jobFile } from "../../../src/localAgent/jobspec/jobFile.ts";
import { render } from "../../../src/localAgent/jobspec/resolve/interpolate.ts";
import {
  escapeLiteral,
  parseTemplate,
  unescapeLiteral,
} from "../../../src/localAgent/jobspec/resolve/template.ts";
import { readSyntaxErrors } from "../../../src/localAgent/jobspec/syntax.ts";
import { TemplateError } from "../../../src/localAgent/jobspec/templateError.ts";
import { allowingLater, hold, type Target } from "../target.ts";

const variables = { given: { image: "nginx" }, environment: { HOME: "/root" } };
const config = { stateDir: "/var/lib/x", pluginConfig: { unveil_by_task: true } };

async function check(name: string, source: string): Promise<void> {
  await allowingLater(["JOB_INVALID", "JOB_NEEDS_CLUSTER", "CONFIG_INVALID"], () =>
    checkFile(jobFile(name, source), variables, config),
  );
}

const hcl = `variable "image" {}
locals { n = 3 }
job "web" {
  type = "service"
  group "g" {
    count = 1
    network {
      mode = "host"
      port "http" { static = 8080 }
    }
    volume "v" {
      type = "host"
      source = "v"
    }
    task "main" {
      driver = "exec2"
      user = "nobody"
      kill_timeout = "5s"
      config {
        command = "sh"
        args = ["-c", "echo \${var.image} \${NOMAD_PORT_http} \${local.n}"]
        unveil = ["rx:/usr"]
      }
      env { A = "\${env["HOME"]}" }
      template {
        data = "{{ key }}"
        destination = "local/x"
      }
      resources { memory = 64 }
      volume_mount {
        volume = "v"
        destination = "/v"
      }
      lifecycle { hook = "prestart" }
    }
    task "b" {
      driver = "exec2"
      config { command = "true" }
    }
  }
}
`;
const pluginBlock = `plugin "nomad-driver-exec2" {
  config {
    unveil_by_task = true
    pids_limit = 10
  }
}
`;

/** A job file or an agent's configuration, in HCL. */
export const jobFiles: Target = {
  fuzz: (bytes) => check("job.hcl", bytes.toString()),
  seeds: () => [hcl, pluginBlock],
};

/** A job file or an agent's configuration in JSON: in the API's form, or in HCL's. */
export const jsonJobs: Target = {
  fuzz: (bytes) => check("job.json", `{${bytes.toString()}`),
  seeds: async () => {
    const { parse } = await import("@cdktn/hcl2json");
    const texts = await Promise.all([hcl, pluginBlock].map((text) => parse("x", text)));
    const group = { Name: "g", Tasks: [{ Name: "t", Driver: "exec2", Config: { command: "true" } }] };
    const api = { Job: { ID: "web", Name: "web", Type: "batch", TaskGroups: [group] } };
    return [...texts, api].map((value) => JSON.stringify(value).slice(1));
  },
};

/** A template's text, and a parser's message. */
export const templates: Target = {
  fuzz: (bytes) => {
    const text = bytes.toString();
    readSyntaxErrors(text);
    hold(unescapeLiteral(escapeLiteral(text)) === text, "unescaping an escaped text changes it");
    hold(render(escapeLiteral(text), () => "") === text, "rendering an escaped text changes it");
    allowingTemplateErrors(() => {
      const parts = parseTemplate(text);
      const again = parts.map((part) => (typeof part === "string" ? part : `\${${part.text}}`)).join("");
      hold(
        parseTemplate(again).length === parts.length,
        "a template that is put together from its parts has other parts",
      );
    });
  },
  seeds: () =>
    [
      "a $$X{b} $X{var.image} c",
      '$X{env["A"]}$X{list[0].name}%%{',
      '$X{ "}" }',
      "[:3,4-5: Missing brace; A brace is, and 2 other diagnostic(s)]",
      "Unexpected end in JSON at position 4 (line 1 column 5)",
    ].map((text) => text.replaceAll("$X", "$")),
};

const evaluator = hclEvaluator({ ...noHost, patterns: goPatterns() });
const values: Readonly<Record<string, unknown>> = {
  var: { list: ["a", "b"], map: { x: 1, y: [true, null] }, text: "é€" },
  local: { n: 3 },
};

/** HCL2's expressions, each within braces of a template or by itself. */
export const expressions: Target = {
  fuzz: (bytes) => {
    const text = bytes.toString();
    const names = (name: string) =>
      Object.hasOwn(values, name) ? { value: values[name] as never, steps: 0 } : undefined;
    allowingTemplateErrors(() => evaluator.evaluate(text, names));
    allowingTemplateErrors(() => evaluator.constant(text, names));
    allowingTemplateErrors(() => evaluator.typeOf(text));
  },
  seeds: () =>
    [
      "$X{[for k, v in var.map : upper(k) if v != null]}",
      "$X{var.list[*]} %{ for x in var.list ~}$X{x}%{ endfor }%{ if local.n > 2 }a%{ else }b%{ endif }",
      'merge({a = 1}, {b = concat(["x"], var.list)...})',
      'format("%05.2f|%-5s|%q|%#v", 3.14159, "a", "b", var.map)',
      'cidrsubnet("10.0.0.0/8", 8, 2) == "10.2.0.0/16" ? jsonencode(var.map) : base64encode("x")',
      'try(regex_replace("abb", "a(b+)", "$1"), substr(var.text, 0, 1), range(1, 10, 2))',
      'formatdate("YYYY-MM-DD", timeadd("2026-01-01T00:00:00Z", "1h"))',
      "list(object({a = string, b = optional(number)}))",
      'setproduct(["a"], range(3))',
    ].map((text) => text.replaceAll("$X", "$")),
};

const delimiters = { left: "{{", right: "}}" };
const templateFacts = {
  env: { NOMAD_TASK_NAME: "web", LIST: "a,b" },
  now: 1_764_000_000_000,
  patterns: goPatterns(),
  servers: {},
};

/** The data of a template block. */
export const goTemplates: Target = {
  fuzz: (bytes) => {
    allowingTemplateErrors(() => openGoTemplate(bytes.toString(), delimiters, templateFacts).render());
  },
  seeds: () => [
    '{{ range $i, $x := split "," (env "LIST") }}{{ $i }}={{ $x | toUpper }}{{ else }}none{{ end }}',
    '{{- with env "NOMAD_TASK_NAME" -}} {{ . }} {{- end -}}{{/* a comment */}}',
    '{{ define "t" }}{{ . }}{{ template "t" . }}{{ end }}{{ template "t" 1 }}',
    '{{ printf "%05.2f %q %v %x" 3.1 "a" (loop 3) "b" }}{{ if and true (gt 2 1) }}y{{ break }}{{ end }}',
    '{{ $m := parseJSON "{\\"a\\":[1,2]}" }}{{ index $m.a 1 | add 2 | toJSON }}{{ len $m }}',
    '{{ timestamp "2006-01-02" }}{{ regexReplaceAll "(a+)b" "$1" "aab" }}{{ sha256Hex "x" }}',
  ],
};

/** Runs `work`. A TemplateError says that the text is invalid, so it is expected, and is not a defect. */
function allowingTemplateErrors(work: () => unknown): void {
  try {
    work();
  } catch (thrown) {
    if (!(thrown instanceof TemplateError)) throw thrown;
  }
}
