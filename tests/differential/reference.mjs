// graphql-js over the server's own schema.graphql and the model: the answer that the specification asks for.

import { readFileSync } from 'node:fs';

import {
  execute,
  getOperationAST,
  GraphQLError,
  GraphQLNonNull,
  GraphQLScalarType,
  parse,
  subscribe,
  validate,
} from 'graphql';

import { EDITION, RULES, schemaOf } from './edition.mjs';
import { FIRST_EVENTS, RESOLVERS } from './model/resolvers.mjs';
import { Refusal } from './model/world.mjs';
import { EXECUTION, OPENING, PARSING, VALIDATION } from './stages.mjs';

const SDL = readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8');

/** The schema whose answers are compared. */
export const schema = withModel(schemaOf(SDL));
/** The same schema in which every field may be null, so that no error hides another. */
const nullable = withModel(schemaOf(SDL), { isNullable: true });

/**
 * Answers a request: `{ stage, data, errors, possible }`. `possible` are the paths of all field errors, those
 * included that are not told because another error nulled their parent. The world takes the effects.
 */
export async function answer({ query, variables, operationName }, context) {
  let document;
  try {
    document = parse(query, EDITION);
  } catch (error) {
    return { stage: PARSING, errors: [error] };
  }
  const errors = validate(schema, document, RULES, EDITION);
  if (errors.length > 0) return { stage: VALIDATION, errors, document };

  const run = { document, variableValues: variables, operationName };
  const untouched = { ...context, world: context.world.clone() };
  const result = await perform({ ...run, schema, contextValue: context });
  if ('data' in result) {
    const possible = result.errors ? await possibleErrors({ ...run, contextValue: untouched }) : [];
    return { stage: EXECUTION, possible, ...plain(result) };
  }
  const stage = result.errors.some(({ path }) => path) ? OPENING : VALIDATION;
  return { stage, errors: result.errors };
}

/** Executes a query or mutation, or a subscription until its first event. */
async function perform(run) {
  if (getOperationAST(run.document, run.operationName)?.operation !== 'subscription') return execute(run);
  const stream = await subscribe(run);
  if ('errors' in stream) return stream;
  const { value } = await stream.next();
  await stream.return();
  return value;
}

async function possibleErrors(run) {
  const { errors = [] } = await perform({ ...run, schema: nullable });
  return errors.map(({ path }) => path);
}

/** Returns the result as JSON has it. */
function plain({ data, errors }) {
  return JSON.parse(JSON.stringify({ data, errors }));
}

function withModel(schema, { isNullable = false } = {}) {
  for (const type of Object.values(schema.getTypeMap())) {
    if (type.name.startsWith('__')) continue;
    if (type instanceof GraphQLScalarType && ['Cursor', 'DateTime'].includes(type.name)) takeStrings(type);
    for (const field of Object.values(RESOLVERS[type.name] ? type.getFields() : {})) {
      field.resolve = RESOLVERS[type.name][field.name];
      if (isNullable && field.type instanceof GraphQLNonNull) field.type = field.type.ofType;
    }
  }
  for (const field of Object.values(schema.getSubscriptionType().getFields())) {
    field.subscribe = FIRST_EVENTS[field.name] && openingOf(field.name);
    field.resolve = (event) => event;
  }
  return schema;
}

/** Returns the resolver of a subscription's source stream, which has one event. What it refuses opens no stream. */
function openingOf(name) {
  return (_, slice, context) => {
    if (!context.world.post(slice.postId)) throw new Refusal('NOT_FOUND');
    const event = FIRST_EVENTS[name](slice, context);
    return (async function* () {
      yield event;
    })();
  };
}

function takeStrings(scalar) {
  scalar.coerceInputValue = (value) => {
    if (typeof value !== 'string') throw new GraphQLError(`${scalar.name} is a string.`);
    return value;
  };
  scalar.coerceInputLiteral = (node) => {
    if (node.kind !== 'StringValue') throw new GraphQLError(`${scalar.name} is a string.`, { nodes: node });
    return node.value;
  };
}
