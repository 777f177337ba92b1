// Resubscribing for clients that report a lost connection and leave the rest to their user. It resumes after
// the last event.

import { setTimeout } from 'node:timers/promises';

const WAITS = 20;

/**
 * `subscribe(variables, next, lost)` subscribes once, and returns a function that ends the subscription.
 * It calls `lost` when the connection is lost.
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
