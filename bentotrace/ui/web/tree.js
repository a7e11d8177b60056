// What a trace's spans say together: the tree, its critical path, its times, repeated children.

const REPEATED = 4;

// Children below their parents, by start; a span whose parent is missing is a root.
export function buildTree(spans) {
  const nodes = new Map();
  const all = spans.map((span) => {
    const start = Number(span.start);
    const node = {
      span, start, end: start + Number(span.duration), children: [], parent: null,
      self: 0, critical: [], covered: [],
    };
    if (!nodes.has(span.span_id)) nodes.set(span.span_id, node);
    return node;
  });
  const roots = [];
  for (const node of all) {
    const first = nodes.get(node.span.span_id);
    // A second span of one id, as Zipkin's servers share their client's, is below the first.
    const parent = first === node ? nodes.get(node.span.parent_id) : first;
    if (parent && parent !== node) {
      node.parent = parent;
      parent.children.push(node);
    } else roots.push(node);
  }
  breakCircles(all, roots);
  const ordered = walk(roots);
  for (const node of ordered) {
    node.depth = node.parent ? node.parent.depth + 1 : 0;
    node.covered = cover(node);
    node.self = node.end - node.start - length(node.covered);
  }
  const signatures = new Map();
  for (const node of ordered.toReversed()) sign(node, signatures);
  for (const root of roots) markCriticalPath(root);
  return { roots, nodes: ordered };
}

// Spans that are each other's parents are below no root: the first of them becomes one.
function breakCircles(all, roots) {
  const placed = new Set(walk(roots));
  for (const node of all) {
    if (placed.has(node)) continue;
    const siblings = node.parent.children;
    siblings.splice(siblings.indexOf(node), 1);
    node.parent = null;
    roots.push(node);
    for (const below of walk([node])) placed.add(below);
  }
}

// Every node, parents before their children.
export function walk(roots) {
  const found = [];
  const stack = roots.toReversed();
  while (stack.length) {
    const node = stack.pop();
    found.push(node);
    for (let at = node.children.length - 1; at >= 0; at -= 1) stack.push(node.children[at]);
  }
  return found;
}

// The parts of a span in which a child of it runs.
function cover(node) {
  const parts = [];
  for (const child of node.children) {
    const start = Math.max(child.start, node.start);
    const end = Math.min(child.end, node.end);
    const last = parts.at(-1);
    if (end <= start) continue;
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else parts.push([start, end]);
  }
  return parts;
}

function length(parts) {
  return parts.reduce((sum, [start, end]) => sum + end - start, 0);
}

// Two spans with the same signature did the same: operation, and the same below it.
function sign(node, signatures) {
  const { span } = node;
  const text = JSON.stringify([span.service, span.name, span.kind, node.children.map((c) => c.signature)]);
  if (!signatures.has(text)) signatures.set(text, signatures.size);
  node.signature = signatures.get(text);
}

// From the end of the root back to its start: always into the child that ended last.
function markCriticalPath(root) {
  const stack = [[root, root.end]];
  while (stack.length) {
    const [node, until] = stack.pop();
    let at = until;
    const children = node.children.toSorted((one, other) => other.end - one.end);
    for (const child of children) {
      // One that goes on after its parent ended did not keep it waiting.
      if (child.end > node.end || child.end > at || child.start < node.start || child.end <= child.start) continue;
      if (child.end < at) node.critical.push([child.end, at]);
      stack.push([child, child.end]);
      at = child.start;
    }
    if (at > node.start) node.critical.push([node.start, at]);
  }
}

// The rows of the waterfall: what is not collapsed; repeated identical children are one row.
export function layOut(roots, collapsed, expandedGroups) {
  const rows = [];
  const stack = entries(roots, 0).reverse();
  while (stack.length) {
    const row = stack.pop();
    rows.push(row);
    const { node, group, depth } = row;
    if (group) {
      row.open = expandedGroups.has(group[0]);
      if (row.open) pushReversed(stack, group.map((each) => ({ node: each, depth: depth + 1, inside: true })));
    } else {
      row.open = node.children.length > 0 && !collapsed.has(node);
      if (row.open) pushReversed(stack, entries(node.children, depth + 1));
    }
  }
  return rows;
}

// Not push(...items): a call takes some 100,000 arguments at most.
function pushReversed(stack, items) {
  for (let at = items.length - 1; at >= 0; at -= 1) stack.push(items[at]);
}

function entries(nodes, depth) {
  const found = [];
  for (let at = 0; at < nodes.length;) {
    let end = at + 1;
    while (end < nodes.length && nodes[end].signature === nodes[at].signature) end += 1;
    if (end - at >= REPEATED) found.push({ node: nodes[at], group: nodes.slice(at, end), depth });
    else for (const node of nodes.slice(at, end)) found.push({ node, depth });
    at = end;
  }
  return found;
}

// The same operations by their path from the root, with their times: flame graph and comparison.
export function merge(roots) {
  const top = { children: new Map(), total: 0 };
  const places = new Map();
  for (const node of walk(roots)) {
    const above = node.parent ? places.get(node.parent) : top;
    const { service, name, status } = node.span;
    const key = JSON.stringify([service, name]);
    if (!above.children.has(key)) {
      above.children.set(key, {
        key, service, name, above, nodes: [], total: 0, self: 0, errors: 0, children: new Map(),
      });
    }
    const merged = above.children.get(key);
    merged.nodes.push(node);
    merged.total += node.end - node.start;
    merged.self += node.self;
    merged.errors += status === "error";
    places.set(node, merged);
  }
  return top;
}

// One row for each operation of the trace.
export function operations(nodes) {
  const found = new Map();
  for (const node of nodes) {
    const { service, name, status } = node.span;
    const key = JSON.stringify([service, name]);
    const took = node.end - node.start;
    if (!found.has(key)) {
      found.set(key, {
        service, name, count: 0, total: 0, self: 0, critical: 0, longest: node, errors: 0,
      });
    }
    const row = found.get(key);
    row.count += 1;
    row.total += took;
    row.self += node.self;
    row.critical += length(node.critical);
    row.errors += status === "error";
    if (took > row.longest.end - row.longest.start) row.longest = node;
  }
  return [...found.values()];
}
