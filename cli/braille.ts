/** Curves in lines of text: each cell of a terminal is a Braille pattern of two by four dots. Pure. */

/** Bits of the dots of a cell, by column and row from above. */
const DOTS = [
  [0x01, 0x02, 0x04, 0x40],
  [0x08, 0x10, 0x20, 0x80],
] as const;

export interface Plot {
  /** Cells. */
  width: number;
  height: number;
  /** The ends of the axes. */
  x: readonly [number, number];
  y: readonly [number, number];
}

/** @param points `[x, y]`, in order of x; neighbours are joined by a line. @returns `height` lines of `width` cells */
export function plotBraille(points: readonly (readonly [number, number])[], { width, height, x, y }: Plot): string[] {
  const cells = Array.from({ length: height }, () => new Array<number>(width).fill(0));
  const [columns, rows] = [2 * width, 4 * height];
  const place = (value: number, [from, to]: readonly [number, number], dots: number) => {
    const share = to > from ? (value - from) / (to - from) : 0.5;
    return Math.round(Math.min(1, Math.max(0, share)) * (dots - 1));
  };
  const set = (column: number, row: number) => {
    const line = cells[height - 1 - Math.floor(row / 4)]!;
    line[Math.floor(column / 2)]! |= DOTS[column % 2]![3 - (row % 4)]!;
  };
  let before: { column: number; row: number } | undefined;
  for (const [px, py] of points) {
    const at = { column: place(px, x, columns), row: place(py, y, rows) };
    const from = before ?? at;
    const steps = Math.max(1, Math.abs(at.column - from.column), Math.abs(at.row - from.row));
    for (let i = 0; i <= steps; i++) {
      set(
        Math.round(from.column + ((at.column - from.column) * i) / steps),
        Math.round(from.row + ((at.row - from.row) * i) / steps),
      );
    }
    before = at;
  }
  return cells.map(line => line.map(bits => String.fromCodePoint(0x2800 + bits)).join(''));
}
