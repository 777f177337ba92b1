// Values for arguments, and the ways to write them down: as literals and in variables.

import { GraphQLEnumType, GraphQLInputObjectType, GraphQLNonNull } from 'graphql';

const TEXTS = [
  'plain',
  'with "quotes" and \\ backslashes',
  'åäö 🦀 日本語',
  'two\nlines',
  'a\n\n  b\n    c',
  '# {} [] $x',
  'tab\there',
  '\\u0041',
  'a"""b',
];
const NUMBERS = [0, 1, 1, 2, 3, 5, null, -1];

/** Values by argument or input field. */
const POOLS = {
  'Query.post.id': ['<POST>', '<POST>', 'quiet', 'long', 'nope', 5],
  'Query.comment.id': ['<COMMENT>', '<COMMENT>', 'nope', 7],
  'Query.posts.after': [null, '<PAGE>', 'nope', ''],
  'Post.comments.after': [null, '<CURSOR>', 'nope', ''],
  'Post.comments.order': ['OLDEST_FIRST', 'NEWEST_FIRST'],
  'Comment.replies.after': [null, 'nope', ''],
  'Subscription.postId': ['<POST>'],
  'Subscription.after': [null, '<CURSOR>', '<CURSOR>', '<CURSOR>'],
  'CreatePostInput.id': ['<NEW>'],
  'CreatePostInput.url': [null, 'https://example.org/'],
  'CreateCommentInput.postId': ['<POST>', '<POST>', '<POST>', 'nope'],
  'CreateCommentInput.parentId': [null, '<COMMENT>'],
  'EditCommentInput.id': ['<COMMENT>'],
  'SetTypingInput.postId': ['<POST>', 'nope', 5],
};

/** Values by type, for the arguments and input fields without values of their own. An ID has none. */
const POOLS_OF_TYPES = { Int: NUMBERS, String: TEXTS, Boolean: [true, false] };

/**
 * Returns a value that fits an argument or input field as JSON has it. `undefined` leaves it out: by chance, or
 * because the schema has something new that no value is known for.
 */
export function valueOf(random, { type, name, defaultValue }, place) {
  const isRequired = type instanceof GraphQLNonNull;
  const named = isRequired ? type.ofType : type;
  if (!isRequired && random.chance(0.3)) return random.chance(0.3) ? null : undefined;
  if (isRequired && defaultValue !== undefined && random.chance(0.5)) return undefined;
  if (named instanceof GraphQLInputObjectType) return objectOf(random, named);
  const pool = POOLS[`${place}.${name}`] ?? POOLS_OF_TYPES[named.name];
  if (!pool) return undefined;
  return random.pick(isRequired ? pool.filter((value) => value !== null) : pool);
}

function objectOf(random, type) {
  const values = Object.values(type.getFields()).map((field) => [
    field.name,
    valueOf(random, field, type.name),
  ]);
  return Object.fromEntries(values.filter(([, value]) => value !== undefined));
}

/** Returns the tokens of a literal for the value. `variableFor` may write a variable in the place of a part. */
export function literalOf(random, value, type, variableFor = () => undefined) {
  const named = type instanceof GraphQLNonNull ? type.ofType : type;
  if (value === null) return ['null'];
  if (named instanceof GraphQLEnumType) return [value];
  if (typeof value === 'string') return [stringOf(random, value)];
  if (typeof value !== 'object') return [String(value)];
  const fields = Object.entries(value).flatMap(([name, inner]) => {
    const field = named.getFields()[name];
    return [name, ':', ...(variableFor(inner, field) ?? literalOf(random, inner, field.type))];
  });
  return ['{', ...fields, '}'];
}

/** Returns a literal of the text: a block string if that can hold it, or a string with escapes by chance. */
function stringOf(random, text) {
  const isForBlock = !/^\s|\s$|^$|[\\"]$/.test(text);
  if (isForBlock && random.chance(0.25)) return `"""${text.replaceAll('"""', '\\"""')}"""`;
  // Placeholders of a fixture are replaced later, in the text.
  if (/^<[A-Z]+>$/.test(text) || random.chance(0.7)) return JSON.stringify(text);
  const written = (character) => {
    const isPlain = random.chance(0.5) && !/["\\\n\t]/.test(character);
    return isPlain ? character : escaped(random, character);
  };
  return `"${Array.from(text, written).join('')}"`;
}

/** Returns an escape of the character: in braces, or of four digits for each half. */
function escaped(random, character) {
  if (random.chance(0.3)) return `\\u{${character.codePointAt(0).toString(16)}}`;
  const halves = character.split('').map((half) => half.charCodeAt(0).toString(16).padStart(4, '0'));
  return halves.map((digits) => `\\u${digits}`).join('');
}
