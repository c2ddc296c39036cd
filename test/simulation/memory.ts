/**
 * The memory of simulated processes: what the driver's modules keep in variables of their own. All plugins run the
 * same modules, so each life has their variables for itself, and begins with those of a new process.
 */

/** The variables of a module. */
export interface ModuleVariables {
  read(): unknown[];
  write(values: unknown[]): void;
  /** The values with which a process begins. */
  initial(): unknown[];
}

class Memory {
  readonly #modules: ModuleVariables[] = [];
  readonly #kept = new WeakMap<object, unknown[][]>();
  #owner: object | undefined;

  /** Called by each module that has variables. */
  add(module: ModuleVariables): void {
    this.#modules.push(module);
  }

  /** Gives the modules the variables of a life. */
  enter(life: object): void {
    if (life === this.#owner) return;
    if (this.#owner !== undefined)
      this.#kept.set(
        this.#owner,
        this.#modules.map((module) => module.read()),
      );
    const kept = this.#kept.get(life);
    this.#owner = life;
    for (const [index, module] of this.#modules.entries()) module.write(kept?.[index] ?? module.initial());
  }
}

export const memory = new Memory();

/**
 * A module's text with an addition that hands its variables to {@link memory}. Constants count as variables if
 * they begin as empty collections, or are objects of the driver's classes.
 * @throws Error for a variable whose declaration is longer than a line
 */
export function withVariables(text: string, door: string): string {
  const variables: { readonly name: string; readonly initial: string }[] = [];
  const own = text.replace(declaration, (line, kind: string, name: string, rest: string) => {
    const [, initial = "undefined;"] = / = (.*)$/.exec(rest) ?? [];
    if (kind === "const" && !isMutable(initial)) return line;
    if (!line.endsWith(";")) throw new Error(`the simulation cannot read the declaration: ${line}`);
    variables.push({ name, initial: initial.replace(/;$/, "") });
    return line.replace("const", "let");
  });
  if (variables.length === 0) return text;
  const names = variables.map(({ name }) => name).join(", ");
  const initials = variables.map(({ initial }) => initial).join(", ");
  const added = [
    `read: () => [${names}]`,
    `write: (values) => { [${names}] = values as never; }`,
    `initial: () => [${initials}]`,
  ];
  return [
    `import { memory as simulatedMemory } from ${JSON.stringify(door)}; ${own}`,
    `simulatedMemory.add({ ${added.join(", ")} });`,
  ].join("\n");
}

const declaration = /^(?:export )?(let|const) (\w+)(.*)$/gm;

function isMutable(initial: string): boolean {
  if (/^(\[\]|\{\}|new (Map|Set|WeakMap|WeakSet)(<.*>)?\(\));$/.test(initial)) return true;
  const [, name] = /^new ([A-Z]\w+)/.exec(initial) ?? [];
  return name !== undefined && !unchanging.has(name);
}

/** Classes whose objects keep nothing, or nothing that differs between processes. */
const unchanging = new Set([
  ...["Map", "Set", "WeakMap", "RegExp", "Uint8Array", "BigUint64Array"],
  ...["TextEncoder", "TextDecoder", "Packr", "Unpackr"],
]);
