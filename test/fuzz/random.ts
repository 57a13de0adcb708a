/**
 * The one source of chance in the fuzzers: a small generator (sfc32) that is made
 * from a seed and the number of an input. Input n of a seed is the same on every
 * machine and whatever ran before it, so a run resumes anywhere and any input is
 * made again from two numbers. Never used where chance has to be secret.
 */

export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number, index: number) {
    this.#a = mix(seed);
    this.#b = mix(index);
    // An index beyond 32 bits still counts.
    this.#c = mix((seed ^ Math.imul(index, 0x9e3779b1)) + Math.floor(index / 2 ** 32));
    for (let i = 0; i < 8; i++) this.next();
  }

  /** 32 bits. */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** A whole number from 0 to n − 1. */
  below(n: number): number {
    return Math.floor((this.next() / 2 ** 32) * n);
  }

  /** True once in `n` times. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

/** Spreads every bit over all 32 (the finisher of MurmurHash3). */
function mix(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16) ^ 0x6a09e667;
}
