// A graphql-ws client whose feed subscriptions survive the network: `after` follows the last event.
//
// When the connection is lost, graphql-ws connects again by itself and subscribes again with the
// very same payload object. Nothing tells the application, and without `after` the server would
// start at the present: what was written in between would be missing. So the payload's variables
// are brought forward with every event. The same works wherever graphql-ws is underneath: wrap the
// client that you give to Apollo's GraphQLWsLink or to urql's subscriptionExchange.
//
// Create the client with `retryAttempts: Infinity, shouldRetry: () => true`. By itself graphql-ws comes
// back when a connection is lost, but takes an attempt that fails for the end; and while the network
// is down, every attempt fails.

/** The client, with subscriptions that resume. `cursorOf(data)` is an event's cursor, if it has one. */
export function resuming(client, cursorOf = feedCursor) {
  return {
    ...client,
    subscribe(payload, sink) {
      const variables = { ...payload.variables };
      const next = (result) => {
        const cursor = result.data && cursorOf(result.data);
        if (cursor) variables.after = cursor;
        sink.next(result);
      };
      return client.subscribe({ ...payload, variables }, { ...sink, next });
    },
  };
}

/** For operations that declare `$after: Cursor`, pass it on, and select `cursor`. */
function feedCursor(data) {
  return (data.commentAdded ?? data.commentChanged)?.cursor;
}
