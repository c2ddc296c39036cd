/** A text that cannot be parsed or resolved. The message tells a person why. Pure. */
export class TemplateError extends Error {
  override readonly name = "TemplateError";
  /** The part of the text that is wrong. */
  readonly text: string;
  /** Path from an attribute's value to the text: keys and positions, added from the inside out. */
  readonly path: (string | number)[] = [];
  /** The whole text around the wrong part, if that is known. */
  whole: string | undefined;

  constructor(message: string, text: string) {
    super(message);
    this.text = text;
  }
}
