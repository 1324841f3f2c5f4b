/**
 * JSON as text. `JSON.parse` rounds large numbers, drops the last zeros of a
 * fraction and all but one of two equal names: what is shown, copied and sent is
 * what somebody wrote.
 */

const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[{}[\],:]/gy;
const SPACE = /[ \t\r\n]*/y;

interface Token {
  text: string;
  from: number;
  to: number;
}

/** The tokens of valid JSON. */
function tokensOf(json: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; ; ) {
    SPACE.lastIndex = at;
    SPACE.exec(json);
    TOKEN.lastIndex = SPACE.lastIndex;
    const found = TOKEN.exec(json);
    if (!found) return tokens;
    at = TOKEN.lastIndex;
    tokens.push({ text: found[0], from: found.index, to: at });
  }
}

/** Whether text is one JSON value. */
export function isJSON(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Valid JSON on indented lines; each name, text and number as it was. */
export function indent(json: string): string {
  const tokens = tokensOf(json);
  let depth = 0;
  let lines = '';
  const newLine = () => `\n${'  '.repeat(depth)}`;
  tokens.forEach(({ text }, i) => {
    const before = tokens[i - 1]?.text;
    const isEmpty = (text === '}' && before === '{') || (text === ']' && before === '[');
    if (text === '}' || text === ']') {
      depth--;
      lines += isEmpty ? text : newLine() + text;
      return;
    }
    if (before === '{' || before === '[' || before === ',') lines += newLine();
    lines += text === ':' ? ': ' : text;
    if (text === '{' || text === '[') depth++;
  });
  return lines;
}

/** Where the value of a member stands, by the names that lead to it; of equal names the last, which counts. */
export function find(json: string, path: readonly string[]): { from: number; to: number } | undefined {
  const tokens = tokensOf(json);
  let first = 0;
  for (const name of path) {
    const next = memberOf(tokens, first, name);
    if (next === undefined) return undefined;
    first = next;
  }
  const begin = tokens[first];
  return begin && { from: begin.from, to: tokens[endOf(tokens, first)]!.to };
}

/** The index of a member's value in the object that begins at an index. */
function memberOf(tokens: readonly Token[], first: number, name: string): number | undefined {
  let found: number | undefined;
  if (tokens[first]?.text !== '{' || tokens[first + 1]?.text === '}') return undefined;
  for (let at = first + 1; ; ) {
    if (JSON.parse(tokens[at]!.text) === name) found = at + 2;
    const after = endOf(tokens, at + 2) + 1;
    if (tokens[after]?.text !== ',') return found;
    at = after + 1;
  }
}

/** The index of the last token of the value that begins at an index. */
function endOf(tokens: readonly Token[], first: number): number {
  let depth = 0;
  for (let at = first; ; at++) {
    const { text } = tokens[at]!;
    if (text === '{' || text === '[') depth++;
    if (text === '}' || text === ']') depth--;
    if (depth === 0) return at;
  }
}

/** The JSON with another value in a member that is there; undefined if it is not. */
export function replace(json: string, path: readonly string[], value: string): string | undefined {
  const place = find(json, path);
  return place && json.slice(0, place.from) + value + json.slice(place.to);
}

/** The JSON with a member more in an object that is there, or with its value where it is null. */
export function fill(json: string, path: readonly string[], name: string, value: string): string {
  const object = find(json, path);
  if (!object || json[object.from] !== '{') return json;
  const member = find(json, [...path, name]);
  if (member) return json.slice(member.from, member.to) === 'null' ? json.slice(0, member.from) + value + json.slice(member.to) : json;
  const rest = json.slice(object.from + 1);
  const separator = /^\s*\}/.test(rest) ? '' : ',';
  return `${json.slice(0, object.from + 1)}${JSON.stringify(name)}:${value}${separator}${rest}`;
}

/** Whether JSON means the same after it was parsed and written again. */
export function survives(json: string): boolean {
  const again = tokensOf(JSON.stringify(JSON.parse(json)));
  const tokens = tokensOf(json);
  return tokens.length === again.length && tokens.every(({ text }, i) => text === again[i]!.text || (text[0] === '"' && JSON.parse(text) === JSON.parse(again[i]!.text)));
}
