/**
 * Takes the values of a task's environment out of texts that come from the task: its output, arguments, paths and
 * errors. Each value is replaced by the name of its variable, such as `${DB_PASSWORD}`. Pure.
 */
import { visible } from "../units/visible.ts";
import { DriverError } from "./errors.ts";
import { mapTexts } from "./mapTexts.ts";

/** Values with fewer characters stay: they are parts of ordinary words. */
const minLength = 6;

/** Lines of a value are masked on their own from this length on. */
const minPart = 8;

/**
 * Up to this number of values and parts of them, texts are searched for one form after the other, which takes the
 * processor 20 ns per KiB and form. The forms of more are made once a text has their first characters.
 */
const maxSearched = 73;

/** Characters of a value that decide on the first {@link minLength} of each of its forms. */
const deciding = 12;

/** Up to this number of values, looking for each at a text's ends is quicker than looking all up at once. */
const maxLookedFor = 64;

/**
 * Characters that are compared at most for the texts of one event. Values that begin alike could make more of it, and
 * hold up everything else; what is then left of the texts is not shown at all.
 */
const maxCompared = 16 * 1024 * 1024;
const notShown = "(not shown: too many values of the environment begin like it)";

/** What is left of {@link maxCompared}. */
interface Budget {
  left: number;
}

/** Variables whose values are no secrets. */
const wellKnown: ReadonlySet<string> = new Set([
  ...["PATH", "HOME", "USER", "LOGNAME", "SHELL", "PWD", "OLDPWD", "SHLVL", "_", "HOSTNAME", "TERM", "TZ"],
  ...["LANG", "LANGUAGE", "TMPDIR", "TMP", "TEMP", "GOMAXPROCS", "VAULT_ADDR", "VAULT_NAMESPACE"],
  ...["CONSUL_HTTP_ADDR", "NODE_ENV", "RAILS_ENV", "RACK_ENV"],
]);

/** Whether the variable's value may be a secret. Of Nomad's own, its token may be, and what a job says in `meta`. */
export function mayBeSecret(name: string): boolean {
  if (wellKnown.has(name) || name.startsWith("LC_")) return false;
  return !name.startsWith("NOMAD_") || name === "NOMAD_TOKEN" || name.startsWith("NOMAD_META_");
}

/** A path of the host or the task, such as `/srv/app/data`. A random text has other characters than these. */
const plainPath = /^(?:\/[a-z0-9._-]{1,32})+\/?$/;

/** The password in an address, such as `postgres://user:password@host`; and a value in a list of settings. */
const partsOfValue = [
  /:\/\/[^:@/\s]*:([^@/\s]+)@/g,
  /(?:password|passwd|pwd|secret|token|key)["']?\s*[=:]\s*["']?([^\s;&,"']+)/gi,
];

type Entry = readonly [name: string, value: string];

/** A value, or a part of it that programs show on its own. */
interface Secret {
  readonly name: string;
  readonly text: string;
}

/** What texts are searched for. */
interface Forms {
  /** All forms; undefined if there are too many. */
  readonly all: readonly string[] | undefined;
  /** The secrets by the first characters of their forms. */
  readonly starts: ReadonlyMap<string, readonly Secret[]>;
  /** The forms that begin so, of those first characters that a text had. */
  readonly seen: Map<string, AlikeForms>;
  /** The values by their first characters, and by their last ones. */
  readonly heads: ReadonlyMap<string, readonly Entry[]>;
  readonly tails: ReadonlyMap<string, readonly Entry[]>;
}

/** Forms that begin alike. */
interface AlikeForms {
  readonly names: ReadonlyMap<string, string>;
  /** The forms' lengths, the longest first, and how many characters these are together. */
  readonly lengths: readonly number[];
  readonly sum: number;
}

/** The secrets of a task. Keeps the values, and what is made of them only as long as there is memory for it. */
export class Secrets {
  /** The secrets of a task that has none. */
  static readonly none = new Secrets({}, true);
  /** Of a task whose environment nobody knows any more. */
  static readonly unknown = new Secrets({}, false);
  /**
   * Whether these are all of the task's secrets. If they are not, nothing that comes from the task itself may be
   * quoted.
   */
  readonly isComplete: boolean;
  readonly #entries: readonly Entry[];
  #forms: WeakRef<Forms> | undefined;

  constructor(env: Readonly<Record<string, string>>, isComplete: boolean) {
    this.isComplete = isComplete;
    this.#entries = Object.entries(env).filter(
      ([name, value]) => value.length >= minLength && mayBeSecret(name) && !plainPath.test(value),
    );
  }

  /** The text without secrets, in whatever form. The text may have been cut at its ends. */
  mask(text: string): string {
    return this.#mask(text, { left: maxCompared });
  }

  #mask(text: string, budget: Budget): string {
    if (this.#entries.length === 0 || text.length < minLength) return text;
    const forms = this.#allForms();
    const isClean = forms.all !== undefined && !forms.all.some((form) => text.includes(form));
    return this.#withoutRests(isClean ? text : replaced(text, forms, budget));
  }

  /** A copy of a value, with every text in it masked; the value itself if no text has a secret. */
  maskAll<T>(value: T): T {
    if (this.#entries.length === 0) return value;
    const budget = { left: maxCompared };
    return mapTexts(value, (text) => this.#mask(text, budget)) as T;
  }

  /** Masks the values alone, so that {@link expand} can put them back. */
  reference(text: string): string {
    const byLength = this.#entries.toSorted(([, one], [, other]) => other.length - one.length);
    return byLength.reduce((left, [name, value]) => left.replaceAll(value, () => maskOf(name)), text);
  }

  /** The text with the values instead of the references to them. */
  expand(text: string): string {
    return this.#entries.reduce((left, [name, value]) => left.replaceAll(maskOf(name), () => value), text);
  }

  /** The same error, without secrets. */
  maskError(error: DriverError): DriverError {
    const { code, summary, failed, hint, recoverable, option } = error;
    const masked = this.maskAll({ summary, failed, hint });
    return masked.summary === summary && masked.failed === failed && masked.hint === hint
      ? error
      : new DriverError(code, masked.summary, {
          failed: masked.failed,
          hint: masked.hint,
          recoverable,
          option,
        });
  }

  /** Masks the beginning or the end of a secret at the ends of a text that was cut there. */
  #withoutRests(whole: string): string {
    let text = whole;
    for (const [name, value] of this.#maybeAtEnds(whole)) {
      const last = text.lastIndexOf(value.slice(0, minLength));
      if (last !== -1 && value.startsWith(text.slice(last))) text = text.slice(0, last) + maskOf(name);
      const first = text.indexOf(value.slice(-minLength));
      if (first === -1) continue;
      const end = first + minLength;
      if (value.endsWith(text.slice(0, end))) text = maskOf(name) + text.slice(end);
    }
    return text;
  }

  /** The values whose first or last characters are in a text. */
  #maybeAtEnds(text: string): readonly Entry[] {
    if (this.#entries.length <= maxLookedFor) return this.#entries;
    const { heads, tails } = this.#allForms();
    const found = new Set<Entry>();
    for (let at = 0; at + minLength <= text.length; at++) {
      const piece = text.slice(at, at + minLength);
      for (const entry of heads.get(piece) ?? []) found.add(entry);
      for (const entry of tails.get(piece) ?? []) found.add(entry);
    }
    return found.size === 0 ? [] : this.#entries.filter((entry) => found.has(entry));
  }

  #allForms(): Forms {
    const known = this.#forms?.deref();
    if (known !== undefined) return known;
    const secrets = this.#entries.flatMap(([name, value]) =>
      Array.from(secretsIn(value), (text) => ({ name, text })),
    );
    const all: string[] | undefined = secrets.length <= maxSearched ? [] : undefined;
    const starts = new Map<string, Secret[]>();
    for (const secret of secrets) {
      const forms = formsOf(all === undefined ? secret.text.slice(0, deciding) : secret.text);
      all?.push(...forms);
      for (const form of forms) {
        const start = form.slice(0, minLength);
        const alike = starts.get(start);
        if (alike === undefined) starts.set(start, [secret]);
        else if (alike.at(-1) !== secret) alike.push(secret);
      }
    }
    const heads = Map.groupBy(this.#entries, ([, value]) => value.slice(0, minLength));
    const tails = Map.groupBy(this.#entries, ([, value]) => value.slice(-minLength));
    const forms = { all, starts, seen: new Map(), heads, tails };
    this.#forms = new WeakRef(forms);
    return forms;
  }
}

/** What stands for a value. Nomad's own way to name a variable, so that a line for a job file with it is right. */
function maskOf(name: string): string {
  return `\${${name}}`;
}

/** One pass over the text, which takes no longer if there are more secrets, unless these begin alike. */
function replaced(text: string, forms: Forms, budget: Budget): string {
  let result = "";
  let from = 0;
  for (let at = 0; at + minLength <= text.length; at++) {
    const possible = alikeForms(text.slice(at, at + minLength), forms);
    if (possible === undefined) continue;
    const { names, lengths, sum } = possible;
    budget.left -= sum;
    if (budget.left < 0) return notShown;
    const length = lengths.find((each) => names.has(text.slice(at, at + each)));
    if (length === undefined) continue;
    result += text.slice(from, at) + maskOf(names.get(text.slice(at, at + length)) ?? "");
    from = at + length;
    at = from - 1;
  }
  return from === 0 ? text : result + text.slice(from);
}

/** The forms that begin so; undefined if none does. */
function alikeForms(start: string, { starts, seen }: Forms): AlikeForms | undefined {
  const secrets = starts.get(start);
  if (secrets === undefined) return undefined;
  const known = seen.get(start);
  if (known !== undefined) return known;
  const names = new Map<string, string>();
  for (const { name, text } of secrets)
    for (const form of formsOf(text)) if (form.startsWith(start)) names.set(form, name);
  const lengths = [...new Set(Array.from(names.keys(), ({ length }) => length))].sort((a, b) => b - a);
  const forms = { names, lengths, sum: lengths.reduce((sum, length) => sum + length, 0) };
  seen.set(start, forms);
  return forms;
}

/** The value, and those of its parts that programs show on their own. */
function secretsIn(value: string): ReadonlySet<string> {
  const lines = value.split("\n").map((line) => line.trim());
  const settings = partsOfValue.flatMap((pattern) =>
    [...value.matchAll(pattern)].map(([, part = ""]) => part),
  );
  return new Set([
    value,
    ...[value.trim(), ...settings].filter(({ length }) => length >= minLength),
    ...(lines.length === 1 ? [] : lines.filter(({ length }) => length >= minPart)),
  ]);
}

/** The forms in which programs write a text. */
function formsOf(text: string): string[] {
  const bytes = Buffer.from(text);
  const hex = bytes.toString("hex");
  const base64 = [0, 1, 2].map((before) => base64Of(bytes, before));
  const forms = [
    ...(unquoted.test(text) ? [text] : quotedForms(text)),
    hex,
    hex.toUpperCase(),
    ...base64,
    ...base64.map((form) => form.replaceAll("+", "-").replaceAll("/", "_")),
  ];
  return forms.filter(({ length }) => length >= minLength);
}

/** What JSON and addresses have as it is. */
const unquoted = /^[\w.-]*$/;

function quotedForms(text: string): string[] {
  const url = percentEncoded(text);
  return [
    text,
    visible(text),
    JSON.stringify(text).slice(1, -1),
    url,
    url.replaceAll(/%[\dA-F]{2}/g, (code) => code.toLowerCase()),
    url.replaceAll("%20", "+"),
  ];
}

/** An unpaired surrogate has no percent-encoded form. */
function percentEncoded(text: string): string {
  return encodeURIComponent(text.isWellFormed() ? text : text.toWellFormed());
}

/** The characters of base64 that depend on the bytes alone, with `before` other bytes before them. */
function base64Of(bytes: Uint8Array, before: number): string {
  const all = Buffer.concat([Buffer.alloc(before), bytes]);
  return all.toString("base64").slice(Math.ceil((before * 8) / 6), Math.floor((all.length * 8) / 6));
}
