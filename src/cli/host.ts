/** What commands have of the process: passed in by `main.ts`, the one place that prints. */

export interface CommandHost {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Throws as `fs.readFileSync` does. */
  readonly readFile: (path: string) => string;
  /** Writes a line of text to standard output. */
  readonly print: (text: string) => void;
  /** Writes a line of text to standard error. */
  readonly complain: (text: string) => void;
  /** Whether a person looks at standard output, and how wide that is. */
  readonly terminal: { readonly columns: number } | null;
  /** Standard error, where a person looks at it: for what moves. */
  readonly stage: NodeJS.WriteStream | null;
  /** Asks a person something on the terminal; null where nobody can answer. */
  readonly ask: ((question: string) => Promise<string>) | null;
  /** Calls back at Ctrl-C, which ends the process where nobody waits for it; what it answers takes that back. */
  readonly onInterrupt: (then: () => void) => () => void;
}
