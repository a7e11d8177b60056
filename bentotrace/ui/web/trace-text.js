// A trace as text for an issue or a message.

import { duration, operationName, plural, serviceName, time } from "./format.js";
import { layOut } from "./tree.js";

const MOST = 200;

export function markdown(trace, tree) {
  const rows = layOut(tree.roots, new Set(), new Set());
  const lines = rows.slice(0, MOST).map(({ node, group, depth }) => {
    const members = group ?? [node];
    const took = members.reduce((sum, each) => sum + each.end - each.start, 0);
    const failed = members.some((each) => each.span.status === "error");
    const name = `${serviceName(node.span.service)}: ${operationName(node.span.name)}`.slice(0, 200);
    return `${"  ".repeat(Math.min(depth, 24))}${group ? `${group.length} × ` : ""}${name}  `
      + `${duration(took)}${group ? " in total" : ""} at ${duration(node.start)}${failed ? "  ERROR" : ""}`;
  });
  if (rows.length > MOST) lines.push(`and ${rows.length - MOST} more`);
  // A fence longer than any in the names.
  const fence = "`".repeat(Math.max(3, ...lines.flatMap((line) => line.match(/`+/g) ?? []).map((run) => run.length + 1)));
  const title = `${serviceName(trace.root_service)}: ${operationName(trace.root_name)}`.replace(/[\\`*_[\]<>#|&]/g, "\\$&");
  return `**${title}** ${duration(trace.duration)}, ${plural(trace.spans, "span")}, ${plural(trace.errors, "error")}, `
    + `${time(trace.start, { withDay: true })}, trace \`${trace.trace_id}\`\n\n${fence}text\n${lines.join("\n")}\n${fence}\n`;
}
