/** The numbers of the catalogue's rows, parts c.1, c.2, c.3 and c.6, as they are listed there, gaps and all. */
const numbered = (letter: string, numbers: readonly number[]): string[] =>
  numbers.map((n) => letter + String(n).padStart(2, '0'));

export const IDS: readonly string[] = [
  ...numbered('B', [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 17, 18, 19, 20, 21, 23, 24, 25, 27, 28, 29, 30, 31, 32, 33, 34, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 54,
    55, 56, 57, 58, 59, 60, 61, 62, 63,
  ]),
  ...numbered('T', [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 14, 15, 16, 18, 19, 20, 22, 23, 24, 25, 26, 27, 28]),
  ...numbered('K', [1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24]),
  ...numbered('A', [1, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
]; // biome-ignore format: one list
