// Valid documents, as lists of tokens, with their variables: typed from the schema.

import { getNamedType, GraphQLNonNull, isLeafType } from 'graphql';

import { FIRST_EVENTS, RESOLVERS } from '../model/resolvers.mjs';
import { schema } from '../reference.mjs';
import { literalOf, valueOf } from './values.mjs';

const DEPTH = 8;
/** Lists within one another, so that no document costs more than the server takes. */
const LISTS = 2;
const CONNECTIONS = ['posts', 'comments', 'replies'];
/** Fields for hand-written cases: their values depend on the server's choice, or on an order of mutations. */
const UNTOLD = { Mutation: ['signInAsGuest', 'deleteComment'], Comment: ['editedAt'] };

/** Returns the names of a type's fields that cases may ask for. */
export function fieldsOf(type) {
  const known = type === 'Subscription' ? FIRST_EVENTS : RESOLVERS[type];
  return Object.keys(known).filter((name) => !UNTOLD[type]?.includes(name));
}

/**
 * Returns a valid request of the kind of operation: `{ tokens, variables, operationName }`. If it is to be changed
 * it creates no posts, because a changed id could be one that another case has taken.
 */
export function generate(random, { operation, isToBeChanged }) {
  return new Generator(random, operation, isToBeChanged ? ['createPost'] : []).request();
}

class Generator {
  #random;
  #operation;
  #root;
  #omitted;
  /** Selections that may still be written. */
  #budget;
  /** Declarations, by variable. */
  #declared = new Map();
  #values = {};
  /** Definitions of fragments: name, type, tokens. Those under way have no tokens yet. */
  #fragments = [];
  /** The field and arguments of each response name, by type, so that fields of one name can be merged. */
  #responses = new Map();

  constructor(random, operation, omitted) {
    this.#random = random;
    this.#operation = operation;
    this.#omitted = omitted;
    this.#root = schema.getRootType(operation);
    this.#budget = random.pick([5, 10, 20, 40]);
  }

  request() {
    const random = this.#random;
    const selection =
      this.#operation === 'subscription' ? this.#subscription() : this.#selectionSet(this.#root, 0, 0);
    const name = random.chance(0.5) ? ['Main'] : [];
    const isShort =
      this.#operation === 'query' && name.length === 0 && this.#declared.size === 0 && random.chance(0.7);
    const declarations = [...this.#declared.values()].flat();
    const variables = declarations.length > 0 ? ['(', ...declarations, ')'] : [];
    const operation = [...(isShort ? [] : [this.#operation, ...name, ...variables]), ...selection];
    const definitions = [operation, ...this.#fragments.map(definitionOf)];
    const hasOther = name.length > 0 && random.chance(0.2);
    if (hasOther) definitions.push(['query', 'Other', '{', 'me', '{', 'id', '}', '}']);
    if (random.chance(0.3)) definitions.reverse();
    const operationName = hasOther || (name.length > 0 && random.chance(0.3)) ? 'Main' : undefined;
    return { tokens: definitions.flat(), variables: this.#values, operationName };
  }

  #subscription() {
    const field = this.#field(this.#root, this.#random.pick(fieldsOf('Subscription')), 0, 0);
    return ['{', ...(this.#random.chance(0.2) ? ['...', '{', ...field, '}'] : field), '}'];
  }

  #selectionSet(type, depth, lists) {
    const count = Math.max(1, Math.min(this.#budget, 1 + this.#random.below(4)));
    this.#budget -= count;
    const selections = Array.from({ length: count }, () => this.#selection(type, depth, lists));
    return ['{', ...selections.flat(), '}'];
  }

  #selection(type, depth, lists) {
    const random = this.#random;
    const mayNest = depth < DEPTH && this.#budget > 0;
    if (mayNest && random.chance(0.12)) return this.#inlineFragment(type, depth, lists);
    if (mayNest && random.chance(0.12))
      return ['...', this.#fragment(type, depth, lists), ...this.#directives()];
    if (random.chance(0.1)) return ['__typename', ...this.#directives()];
    const names = fieldsOf(type.name).filter((name) => this.#fits(type, name, depth, lists));
    return names.length > 0 ? this.#field(type, random.pick(names), depth, lists) : ['__typename'];
  }

  #fits(type, name, depth, lists) {
    if (this.#omitted.includes(name)) return false;
    if (isLeafType(getNamedType(type.getFields()[name].type))) return true;
    return (
      depth < DEPTH && (this.#budget > 0 || depth === 0) && !(CONNECTIONS.includes(name) && lists >= LISTS)
    );
  }

  #inlineFragment(type, depth, lists) {
    const condition = this.#random.chance(0.6) ? ['on', type.name] : [];
    return ['...', ...condition, ...this.#directives(), ...this.#selectionSet(type, depth + 1, lists)];
  }

  /** Returns the name of a fragment on the type: one that is there, or a new one. */
  #fragment(type, depth, lists) {
    const known = this.#fragments.filter(
      (other) => other.type === type && other.tokens && other.lists >= lists,
    );
    if (known.length > 0 && this.#random.chance(0.5)) return this.#random.pick(known).name;
    const fragment = { name: `F${this.#fragments.length}`, type, lists };
    this.#fragments.push(fragment);
    fragment.tokens = this.#selectionSet(type, depth + 1, lists);
    return fragment.name;
  }

  #field(type, name, depth, lists) {
    const definition = type.getFields()[name];
    const { response, argument } = this.#response(type, definition);
    const alias = response === name ? [] : [response, ':'];
    const inner = getNamedType(definition.type);
    const more = lists + (CONNECTIONS.includes(name) ? 1 : 0);
    const selection = isLeafType(inner) ? [] : this.#selectionSet(inner, depth + 1, more);
    const directives = type === this.#root && this.#operation === 'subscription' ? [] : this.#directives();
    return [...alias, name, ...argument, ...directives, ...selection];
  }

  /** Returns a response name and the arguments that it stands for in this type. */
  #response(type, definition) {
    if (!this.#responses.has(type)) this.#responses.set(type, new Map());
    const known = this.#responses.get(type);
    const same = [...known.values()].filter(({ field }) => field === definition.name);
    // A comment is edited once only, because its second edit would hide the time of its first.
    const isOnce = definition.name === 'editComment';
    if (same.length > 0 && (isOnce || this.#random.chance(0.6))) return this.#random.pick(same);
    const isFree = !known.has(definition.name) && this.#random.chance(0.7);
    const response = isFree ? definition.name : `a${known.size}`;
    known.set(response, { response, field: definition.name, argument: this.#arguments(type, definition) });
    return known.get(response);
  }

  #arguments(type, { name, args }) {
    const place = type.name === 'Subscription' ? type.name : `${type.name}.${name}`;
    const written = args.flatMap((argument) => {
      const value = valueOf(this.#random, argument, place);
      const tokens = this.#written(value, argument);
      return tokens.length > 0 ? [[argument.name, ':', ...tokens]] : [];
    });
    if (this.#random.chance(0.3)) written.reverse();
    return written.length > 0 ? ['(', ...written.flat(), ')'] : [];
  }

  /** Returns the tokens of a value: a variable or a literal; none if it is left out. */
  #written(value, location) {
    if (this.#random.chance(0.4)) {
      const variable = this.#variable(value, location);
      if (variable) return variable;
    }
    if (value === undefined) return [];
    const variableFor = (inner, field) =>
      this.#random.chance(0.3) ? this.#variable(inner, field) : undefined;
    return literalOf(this.#random, value, location.type, variableFor);
  }

  /** Declares a variable that may stand in the location and comes to the value there; undefined if none does. */
  #variable(value, { type, defaultValue }) {
    const random = this.#random;
    const isRequired = type instanceof GraphQLNonNull;
    const nullable = isRequired ? type.ofType : type;
    const given = { type: String(type), value };
    const ways = [];
    if (value === undefined) {
      // The argument's own default applies.
      if (!isRequired || defaultValue !== undefined) ways.push({ type: String(nullable) });
    } else if (value === null) {
      ways.push(given, { type: String(nullable), byDefault: null });
    } else {
      ways.push(given, { type: `${nullable}!`, value }, { type: String(nullable), byDefault: value });
      ways.push(
        { type: `${nullable}!`, byDefault: value },
        { type: String(nullable), byDefault: value, value },
      );
    }
    return ways.length > 0 ? this.#declare(random.pick(ways), nullable) : undefined;
  }

  #declare({ type, value, byDefault }, nullable) {
    const name = `v${this.#declared.size}`;
    const equals = byDefault === undefined ? [] : ['=', ...literalOf(this.#random, byDefault, nullable)];
    this.#declared.set(name, ['$', name, ':', ...type.match(/\w+|!/g), ...equals]);
    if (value !== undefined) this.#values[name] = value;
    return ['$', name];
  }

  #directives() {
    const names = ['skip', 'include'].filter(() => this.#random.chance(0.06));
    const condition = () => this.#written(this.#random.chance(0.5), IF);
    return names.flatMap((name) => ['@', name, '(', 'if', ':', ...condition(), ')']);
  }
}

const IF = schema.getDirective('skip').args[0];

function definitionOf({ name, type, tokens }) {
  return ['fragment', name, 'on', type.name, ...tokens];
}
