import { useSyncExternalStore } from 'react';

/** A value outside of React that components follow. */
export class Value<T> {
  #current: T;
  #listeners = new Set<() => void>();

  constructor(first: T) {
    this.#current = first;
  }

  get = () => this.#current;

  set(next: T) {
    this.#current = next;
    this.#listeners.forEach((listener) => listener());
  }

  subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };
}

export const useValue = <T>(value: Value<T>) => useSyncExternalStore(value.subscribe, value.get);
