// For clients that report a lost connection and leave coming back to their user: it subscribes again,
// behind the last event.

import { setTimeout } from 'node:timers/promises';

const WAITS = 20;

/**
 * `subscribe(variables, next, lost)` subscribes once, and returns a function that ends it. `lost` is
 * what it calls when the connection was lost.
 */
export function following(variables, { next }, subscribe) {
  let end = () => {};
  let isOver = false;
  const start = () => {
    end = subscribe(
      variables,
      (data) => {
        if (data.commentChanged) variables = { ...variables, after: data.commentChanged.cursor };
        next(data);
      },
      async () => {
        end();
        await setTimeout(WAITS);
        if (!isOver) start();
      },
    );
  };
  start();
  return () => {
    isOver = true;
    end();
  };
}
