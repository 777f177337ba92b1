/** The time after which something hangs, however busy the machine is: in milliseconds. */
export const HANGS_AFTER = 60_000;

/** Resolves with the promise's value. Rejects with an error that names `what` if it hangs. */
export async function within(promise, what, milliseconds = HANGS_AFTER) {
  let timer;
  const deadline = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${milliseconds} ms: ${what}`)), milliseconds);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
