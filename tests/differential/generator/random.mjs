// Chance that can be repeated: the same seed makes the same choices.

/** A source of choices (mulberry32). */
export class Random {
  #state;

  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** Returns a fraction from 0 to below 1. */
  #next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let bits = this.#state;
    bits = Math.imul(bits ^ (bits >>> 15), bits | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Returns an integer from 0 to below `bound`. */
  below(bound) {
    return Math.floor(this.#next() * bound);
  }

  /** Returns true with the probability. */
  chance(probability) {
    return this.#next() < probability;
  }

  pick(list) {
    return list[this.below(list.length)];
  }
}
