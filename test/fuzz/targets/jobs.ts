/** Job files, an agent's plugin block, and the text of their templates. */
import { checkFile } from "../../../src/client/validation/checkFile.ts";
import { jobFile } from "../../../src/jobspec/jobFile.ts";
import { render } from "../../../src/jobspec/resolve/interpolate.ts";
import {
  escapeLiteral,
  parseTemplate,
  TemplateError,
  unescapeLiteral,
} from "../../../src/jobspec/resolve/template.ts";
import { readSyntaxError } from "../../../src/jobspec/syntax.ts";
import { allowingLater, hold, type Target } from "../target.ts";

const variables = { given: { image: "nginx" }, environment: { HOME: "/root" } };
const config = { stateDir: "/var/lib/x", pluginConfig: { unveil_by_task: true } };

async function check(name: string, source: string): Promise<void> {
  await allowingLater(["JOB_INVALID", "CONFIG_INVALID"], () =>
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

/** The same in JSON: the form of the API, or that of HCL. */
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
    readSyntaxError(text);
    hold(unescapeLiteral(escapeLiteral(text)) === text, "an escaped text is not what it was");
    hold(render(escapeLiteral(text), () => "") === text, "an escaped text is rendered as something else");
    try {
      const parts = parseTemplate(text);
      const again = parts.map((part) => (typeof part === "string" ? part : `\${${part.text}}`)).join("");
      hold(parseTemplate(again).length === parts.length, "a template's parts are not those of its text");
    } catch (thrown) {
      if (!(thrown instanceof TemplateError)) throw thrown;
    }
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
