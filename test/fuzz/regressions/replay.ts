/**
 * What the fuzzers found, as data that is replayed on every run. `streams.json`: streams
 * that once made somebody disagree, minimised; `{authorization}` stands for the credential.
 * `slow.json`: runs that once took a parser more than its time. `class` names the cases of
 * the bad-input catalogue or the goals that they belong to.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Regression {
  readonly name: string;
  readonly class: string;
  /** Latin1 text, one character an octet. */
  readonly stream: string;
  /** So many requests of it go upstream. */
  readonly requests: number;
}

/** An input of full size: `unit` over and over between the two others. */
export interface SlowInput {
  readonly parser: string;
  readonly before: string;
  readonly unit: string;
  readonly after: string;
  readonly class: string;
}

function readData<T>(name: string): T[] {
  return JSON.parse(readFileSync(join(import.meta.dirname, name), 'utf8')) as T[];
}

/** Runs that were slow. */
export function readSlowInputs(): SlowInput[] {
  return readData<SlowInput>('slow.json');
}

/** Streams that were read in two ways, with this credential in them. */
export function readRegressions(authorization: string): Regression[] {
  return readData<Regression>('streams.json').map((one) => ({
    ...one,
    stream: one.stream.replaceAll('{authorization}', authorization),
  }));
}
