/** The state machine's chart as the build lays it out, in units of its own. */
export interface ChartLayout {
  readonly width: number;
  readonly height: number;
  readonly states: readonly {
    readonly id: string;
    readonly x: number;
    readonly y: number;
    readonly width: number;
    readonly height: number;
  }[];
  readonly arrows: readonly {
    readonly from: string;
    readonly to: string;
    readonly points: readonly Point[];
    /** Events that lead there. */
    readonly label: string;
    /** Its middle. */
    readonly labelAt: Point;
  }[];
}

export interface Point {
  readonly x: number;
  readonly y: number;
}
