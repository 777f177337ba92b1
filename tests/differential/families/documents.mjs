// Sections 5.1 and 5.2, and GetOperation of section 6.1: documents and which of their operations is meant.

import { invalid, malformed, valid } from '../cases.mjs';

const TWO = 'query A { me { id } } query B { me { name } }';
const named = (operationName) => ({ operationName });

export default {
  '5.1.1 Executable Definitions': [
    valid('an operation alone', '{ me { id } }'),
    invalid('a type beside an operation', '{ me { id } } type Extra { id: ID }'),
    invalid('an extension beside an operation', '{ me { id } } extend type Query { extra: ID }'),
    invalid('a schema beside an operation', '{ me { id } } schema { query: Query }'),
    invalid('a directive definition beside an operation', '{ me { id } } directive @extra on FIELD'),
    invalid('only a type', 'type Extra { id: ID }'),
    malformed('an empty document', ''),
    malformed('only ignored tokens', ' ,,\n# nothing\n'),
    malformed('a word that begins no definition', 'select { me { id } }'),
    malformed('an empty selection set', '{ }'),
    malformed('an empty selection set of a field', '{ me { } }'),
    malformed('an empty selection set of a fragment', '{ ...F } fragment F on Query { }'),
    malformed('an empty list of variables', 'query Q() { me { id } }'),
    malformed('an empty list of arguments', '{ posts() { nodes { id } } }'),
    malformed('a selection set that is not closed', '{ me { id }'),
    malformed('a selection set that is closed twice', '{ me { id } } }'),
    malformed('an alias of an alias', '{ a: b: me { id } }'),
    malformed('a variable in a default', 'query ($a: Int, $b: Int = $a) { posts(first: $b) { nodes { id } } }'),
    malformed('a variable in a directive of a variable', 'query ($a: Int, $b: Int @skip(if: $a)) { me { id } }'),
    malformed('two colons', '{ a :: me { id } }'),
    malformed('variables on a fragment', '{ ...F } fragment F($a: Int = 1) on Query { me { id } }'),
    malformed('arguments of a spread', '{ ...F(a: 1) } fragment F on Query { me { id } }'),
    malformed('a name for the shorthand form', 'Q { me { id } }'),
  ],

  '5.2.1.1 Operation Type Existence': [
    valid('all three root types exist', 'query A { me { id } } mutation B { setTyping(input: {postId: "<POST>", isTyping: true}) { isTyping } } subscription C { viewerCount(postId: "<POST>") }', undefined, named('A')),
  ],

  '5.2.2.1 Operation Name Uniqueness': [
    valid('two names', TWO, undefined, named('A')),
    invalid('one name twice', 'query A { me { id } } query A { me { name } }', undefined, named('A')),
    invalid('one name in two kinds', 'query A { me { id } } mutation A { setTyping(input: {postId: "<POST>", isTyping: true}) { isTyping } }', undefined, named('A')),
    valid('an operation with a fragment\'s name', 'query A { ...A } fragment A on Query { me { id } }'),
    valid('names that differ in case', 'query A { me { id } } query a { me { name } }', undefined, named('a')),
  ],

  '5.2.3.1 Lone Anonymous Operation': [
    invalid('two anonymous operations', '{ me { id } } { me { name } }'),
    invalid('an anonymous one before a named one', '{ me { id } } query A { me { id } }'),
    invalid('an anonymous one after a named one that is meant', 'query A { me { id } } { me { id } }', undefined, named('A')),
    invalid('an anonymous query beside an anonymous mutation', 'query { me { id } } mutation { setTyping(input: {postId: "<POST>", isTyping: true}) { isTyping } }'),
    valid('the word query without a name', 'query { me { id } }'),
  ],

  'The operation that is meant': [
    valid('the first by its name', TWO, undefined, named('A')),
    valid('the second by its name', TWO, undefined, named('B')),
    valid('the only one without operationName', 'query A { me { id } }'),
    valid('the only one with operationName null', 'query A { me { id } }', undefined, named(null)),
    valid('the only one by its name', 'query A { me { id } }', undefined, named('A')),
    valid('the anonymous one with operationName null', '{ me { id } }', undefined, named(null)),
    invalid('one of two without operationName', TWO),
    invalid('one of two with operationName null', TWO, undefined, named(null)),
    invalid('one of two with an empty operationName', TWO, undefined, named('')),
    invalid('a name that is not there', TWO, undefined, named('C')),
    invalid('a name in another case', TWO, undefined, named('a')),
    invalid('the only one by another name', 'query A { me { id } }', undefined, named('B')),
    invalid('the anonymous one by a name', '{ me { id } }', undefined, named('A')),
    invalid('the anonymous one by an empty name', '{ me { id } }', undefined, named('')),
    invalid('a fragment by its name', '{ ...F } fragment F on Query { me { id } }', undefined, named('F')),
    invalid('no operation at all', 'fragment F on Query { me { id } }'),
    invalid('an operation that is not meant and breaks a rule', 'query A { me { id } } query B { nope }', undefined, named('A')),
    valid('an operation that is not meant and lacks a variable', 'query A { me { id } } query B($id: ID!) { post(id: $id) { id } }', undefined, named('A')),
    valid('the keywords as names', 'query query { query: me { mutation: id } }'),
    valid('more keywords as names', 'query fragment { ...mutation } fragment mutation on Query { true: me { null: id on: name } }'),
    valid('a query beside a mutation', 'query A { me { id } } mutation B { createComment(input: {postId: "<POST>", body: "b"}) { comment { id } } }', undefined, named('A')),
    valid('a mutation beside a query', 'query A { me { id } } mutation B { createComment(input: {postId: "<POST>", body: "b"}) { comment { id body } } }', undefined, named('B')),
  ],
};
