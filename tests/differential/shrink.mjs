// Makes a failing case smaller: parts are left out for as long as the case fails in the same way.

import { parse, visit } from 'graphql';

/** Returns a smaller request for which `failure` still returns the same text; at most `tries` are made. */
export async function shrink(request, failure, tries = 400) {
  const wanted = await failure(request);
  let smallest = request;
  for (let left = tries, isDone = false; !isDone && left > 0;) {
    isDone = true;
    for (const candidate of smaller(smallest)) {
      if (left-- === 0) break;
      if ((await failure(candidate)) !== wanted) continue;
      smallest = candidate;
      isDone = false;
      break;
    }
  }
  return smallest;
}

/** Yields the request without one of its parts, the largest parts first. */
function* smaller({ query, variables = {}, ...rest }) {
  const sizes = parts(query).sort((one, other) => other.end - other.start - (one.end - one.start));
  for (const range of sizes) {
    const shorter = without(query, range);
    const tidied = withoutUnused(shorter);
    if (tidied !== shorter) yield { ...rest, variables, query: tidied };
    yield { ...rest, variables, query: shorter };
  }
  for (const name of Object.keys(variables)) {
    const { [name]: _, ...others } = variables;
    yield { ...rest, query, variables: others };
  }
  for (const name of Object.keys(rest))
    if (rest[name] !== undefined) yield { query, variables, ...rest, [name]: undefined };
}

/** Returns the document without the fragments and variables that nothing uses any more. */
function withoutUnused(query) {
  const document = treeOf(query);
  if (!document) return query;
  const used = new Set();
  const definitions = [];
  visit(document, {
    FragmentSpread: ({ name }) => void used.add(`...${name.value}`),
    FragmentDefinition: ({ name, loc }) => void definitions.push({ name: `...${name.value}`, loc }),
    Variable: ({ name }, key) => void (key !== 'variable' && used.add(`$${name.value}`)),
    VariableDefinition: ({ variable, loc }) =>
      void definitions.push({ name: `$${variable.name.value}`, loc }),
  });
  const unused = definitions.find(({ name }) => !used.has(name));
  return unused ? withoutUnused(without(query, unused.loc)) : query;
}

/** Returns the text without a range, and without the parentheses that it leaves empty. */
function without(query, { start, end }) {
  return (query.slice(0, start) + query.slice(end)).replace(/\(\s*\)/, '');
}

/** Returns the ranges of what may be left out: nodes of lists in the syntax tree, or tokens if there is no tree. */
function parts(query) {
  const document = treeOf(query);
  if (!document) {
    const tokens = query.matchAll(/"""[^]*?"""|"[^"\n]*"|\w+|\.\.\.|\S/g);
    return Array.from(tokens, ({ index, 0: token }) => ({ start: index, end: index + token.length }));
  }
  const ranges = [];
  visit(document, {
    enter({ loc }, _key, parent) {
      if (Array.isArray(parent)) ranges.push(loc);
    },
  });
  return ranges;
}

function treeOf(query) {
  try {
    return parse(query);
  } catch {
    return undefined;
  }
}
