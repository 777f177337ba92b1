// Section 4: what the server tells of its schema.

import { getIntrospectionQuery } from 'graphql';

import { invalid, valid } from '../cases.mjs';

const TYPE = `kind name specifiedByURL isOneOf
  fields { name type { kind name ofType { kind name ofType { kind name ofType { kind name } } } } args { name defaultValue } }
  inputFields { name defaultValue type { kind name } } enumValues { name } interfaces { name } possibleTypes { name } ofType { name }`;
const type = (name, selection = TYPE) => `{ __type(name: "${name}") { ${selection} } }`;
const seen = (title, query, variables) => valid(title, query, variables, { view: settled });
const OPTIONS = { specifiedByUrl: true, directiveIsRepeatable: true, schemaDescription: true, inputValueDeprecation: true, oneOf: true };

export default {
  'Introspection queries of tools': [
    seen('the usual one', getIntrospectionQuery()),
    seen('with all options', getIntrospectionQuery(OPTIONS)),
    seen('without descriptions', getIntrospectionQuery({ descriptions: false })),
  ],

  '4.2 The schema': [
    valid('its description', '{ __schema { description } }'),
    valid('its root types', '{ __schema { queryType { name kind } mutationType { name } subscriptionType { name } } }'),
    seen('its types', '{ __schema { types { name kind } } }'),
    seen('its directives', '{ __schema { directives { name description isRepeatable locations args { name type { kind ofType { name } } defaultValue } } } }'),
    valid('its type names', '{ __schema { __typename queryType { __typename fields { __typename type { __typename } args { __typename } } } } }'),
    valid('under an alias', '{ a: __schema { b: queryType { c: name } } }'),
    valid('beside data', '{ me { id } __schema { queryType { name } } post(id: "main") { id } }'),
    valid('in a fragment', '{ ...F } fragment F on Query { __schema { ...S } } fragment S on __Schema { queryType { ...T } } fragment T on __Type { name }'),
    valid('skipped', '{ me { id } __schema @skip(if: true) { queryType { name } } }'),
    invalid('deprecation of directives, which is of a later edition', '{ __schema { directives { isDeprecated } } }'),
    invalid('a field that is unknown', '{ __schema { nope } }'),
    invalid('without a selection', '{ __schema }'),
  ],

  '4.2 Types': [
    ...['Query', 'Mutation', 'Subscription', 'Post', 'Comment', 'CommentConnection', 'PageInfo', 'CommentOrder', 'CreateCommentInput', 'Cursor', 'DateTime', 'ID', 'String', 'Int', 'Boolean'].map(
      (name) => seen(name, type(name)),
    ),
    ...['__Schema', '__Type', '__Field', '__InputValue', '__EnumValue', '__Directive', '__TypeKind', '__DirectiveLocation'].map((name) =>
      seen(name, type(name)),
    ),
    valid('one that is not there', type('Nope')),
    valid('one in another case', type('post')),
    valid('an empty name', type('')),
    valid('a name with an exclamation mark', type('Post!')),
    valid('a list', type('[Post]')),
    valid('a scalar that nothing uses', type('Float')),
    valid('descriptions', type('Comment', 'description fields { name description args { name description } }')),
    valid('descriptions of an enum', type('CommentChangeKind', 'description enumValues { name description isDeprecated deprecationReason }')),
    valid('descriptions of an input object', type('CreateCommentInput', 'description inputFields { name description isDeprecated deprecationReason }')),
    valid('the description of a scalar', type('Cursor', 'description')),
    valid('deep', type('Post', 'fields { name type { ofType { fields { name type { ofType { name kind ofType { name kind ofType { name } } } } } } } }')),
    valid('by a variable', 'query ($n: String!) { __type(name: $n) { name kind } }', { n: 'Post' }),
    valid('by a variable with a default', 'query ($n: String = "Post") { __type(name: $n) { name kind } }'),
    valid('twice, by aliases', '{ a: __type(name: "Post") { name } b: __type(name: "User") { fields { name } } }'),
    invalid('by a number', '{ __type(name: 1) { name } }'),
    invalid('by an enum value', '{ __type(name: Post) { name } }'),
  ],

  '4.2 What is deprecated': ['fields', 'enumValues', 'inputFields'].flatMap((list) => {
    const name = { fields: 'Post', enumValues: 'CommentOrder', inputFields: 'CreatePostInput' }[list];
    const listed = (argument) => type(name, `${list}${argument} { name isDeprecated deprecationReason }`);
    const byVariable = (declared) => `query (${declared}) ${listed('(includeDeprecated: $d)')}`;
    return [
      valid(`${list}, by default`, listed('')),
      valid(`${list}, included`, listed('(includeDeprecated: true)')),
      valid(`${list}, not included`, listed('(includeDeprecated: false)')),
      invalid(`${list}, null`, listed('(includeDeprecated: null)')),
      valid(`${list}, by a variable`, byVariable('$d: Boolean!'), { d: true }),
      valid(`${list}, by a variable that is not given`, byVariable('$d: Boolean')),
      valid(`${list}, by a variable with a default`, byVariable('$d: Boolean = true')),
      valid(`${list}, by a variable that is null`, byVariable('$d: Boolean'), { d: null }),
    ];
  }),

  '4.2 What is deprecated, of arguments': [
    valid('of a field', type('Post', 'fields { name args(includeDeprecated: true) { name isDeprecated deprecationReason } }')),
    valid('of a field, by a variable that is not given', `query ($d: Boolean) ${type('Post', 'fields { args(includeDeprecated: $d) { name } }')}`),
    seen('of directives', '{ __schema { directives { name args(includeDeprecated: true) { name isDeprecated } } } }'),
  ],
};

const BUILT_IN = /^(__.*|String|Int|Float|Boolean|ID|skip|include|specifiedBy)$/;
/** Directives that a server without deprecated or oneOf types need not have (section 3.13). */
const OPTIONAL = ['deprecated', 'oneOf'];

/** Returns the data without what the specification leaves open: orders, and the descriptions of what is built in. */
function settled(value, key) {
  if (Array.isArray(value)) {
    const items = value.map((item) => settled(item)).filter(({ name }) => key !== 'directives' || !OPTIONAL.includes(name));
    return ['types', 'directives', 'locations'].includes(key) ? sorted(items) : items;
  }
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, settled(inner, key)]);
  const object = Object.fromEntries(entries);
  return BUILT_IN.test(object.name) ? bare(object) : object;
}

/** Returns something built in without descriptions, its lists in one order. */
function bare(value) {
  if (Array.isArray(value)) return sorted(value.map(bare));
  if (value === null || typeof value !== 'object') return value;
  const { description, ...rest } = value;
  return Object.fromEntries(Object.entries(rest).map(([key, inner]) => [key, bare(inner)]));
}

function sorted(items) {
  const texts = items.map((item) => JSON.stringify(item)).sort();
  return texts.map((text) => JSON.parse(text));
}
