/** A text that cannot be parsed or resolved. The message tells a person why. Pure. */
export class TemplateError extends Error {
  override readonly name = "TemplateError";
  /** How the text is wrong, if it is. */
  readonly fault: Fault;
  /** The part of the text that is wrong. */
  readonly text: string;
  /** Path from an attribute's value to the text: keys and positions, added from the inside out. */
  readonly path: (string | number)[] = [];
  /** The whole text around the wrong part, if that is known. */
  whole: string | undefined;

  constructor(message: string, text: string, fault: Fault = "wrong") {
    super(message);
    this.text = text;
    this.fault = fault;
  }
}

/**
 * `wrong`: no Nomad would accept the text. `lacking`: Nomad accepts it, but a local run lacks what it needs.
 * `reported`: the text depends on another text, whose error is reported already.
 */
export type Fault = "wrong" | "lacking" | "reported";
