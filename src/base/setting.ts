/** A line of a task's `config`, as data and as text. Pure. */

export interface Setting {
  /** The option's name in job files. */
  readonly option: string;
  readonly value: true | readonly (string | number)[];
}

/** Such as `unveil = ["r:/etc/hosts"]`. */
export function settingLine({ option, value }: Setting): string {
  const text = value === true ? "true" : `[${value.map((each) => JSON.stringify(each)).join(", ")}]`;
  return `${option} = ${text}`;
}
