/**
 * Parses and prints Caffe's text format, as far as networks and solvers use it, as an ordered tree.
 * Order and repetition of fields are significant to Caffe, so a message is a list and not a record.
 */
import { quote } from '../../lib/quote.ts';

/** A bare word of the format: `LMDB`, `MAX`, `TRAIN`. Written without quotes, unlike a string. */
export class Word {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type Value = string | number | boolean | Word | Message;
export type Field = readonly [name: string, value: Value];

/** A message: its fields in order. Immutable; every change returns a new message. */
export class Message {
  readonly fields: readonly Field[];

  constructor(fields: readonly Field[] = []) {
    this.fields = fields;
  }

  /** Returns all values of a repeated field. */
  all(name: string): Value[] {
    return this.fields.filter(field => field[0] === name).map(field => field[1]);
  }

  strings(name: string): string[] {
    return this.all(name).filter(value => typeof value === 'string');
  }

  string(name: string): string | undefined {
    return this.strings(name)[0];
  }

  number(name: string): number | undefined {
    return this.all(name).find(value => typeof value === 'number');
  }

  /** Returns the text of a bare word: `include { phase: TEST }` → `word('phase')` is `TEST`. */
  word(name: string): string | undefined {
    const value = this.all(name).find(candidate => candidate instanceof Word);
    return value?.text;
  }

  messages(name: string): Message[] {
    return this.all(name).filter(value => value instanceof Message);
  }

  message(name: string): Message | undefined {
    return this.messages(name)[0];
  }

  without(...names: string[]): Message {
    return new Message(this.fields.filter(([name]) => !names.includes(name)));
  }

  /** Replaces every `name` by the given values, at the position of the first one or else at the end. */
  with(name: string, ...values: Value[]): Message {
    const at = this.fields.findIndex(field => field[0] === name);
    const rest = this.without(name).fields;
    const before = at < 0 ? rest.length : at;
    return new Message([
      ...rest.slice(0, before),
      ...values.map((value): Field => [name, value]),
      ...rest.slice(before),
    ]);
  }
}

/** Shorthand for messages: `message({ type: 'Data', top: ['data', 'stage'], include: { phase: word('TRAIN') } })`. */
export type Shape = { [name: string]: Value | Shape | (Value | Shape)[] };

export function message(shape: Shape): Message {
  const value = (item: Value | Shape): Value =>
    typeof item === 'object' && !(item instanceof Message) && !(item instanceof Word) ? message(item) : item;
  return new Message(
    Object.entries(shape).flatMap(([name, item]) =>
      (Array.isArray(item) ? item : [item]).map((one): Field => [name, value(one)]),
    ),
  );
}

export function word(text: string): Word {
  return new Word(text);
}

export class PrototxtError extends Error {
  override readonly name = 'PrototxtError';
}

const TOKEN = /\s+|#[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|[{}:;,[\]]|[^\s{}:;,[\]#"']+|["']/y;
/** Tokens of the format that an error may show. Other tokens may be content of an arbitrary file. */
const TELLING = /^(?:[{}:;,[\]<>"']|[A-Za-z_]\w{0,31}|[-+.\d]{1,20})$/;
const WORD = /^[-+]?\w[\w.]*$/;
const NUMBER = /^[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?f?$/;

/** Parses a text. @throws PrototxtError naming the line */
export function parsePrototxt(text: string): Message {
  const tokens: { text: string; line: number }[] = [];
  let line = 1;
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match; match = TOKEN.exec(text)) {
    const [token] = match;
    if (!/^[\s#;,]/.test(token)) tokens.push({ text: token, line });
    line += token.split('\n').length - 1;
  }
  let at = 0;
  const fail = (expected: string): never => {
    const got = tokens[at];
    throw new PrototxtError(
      `Expected ${expected}, got ${got ? `${TELLING.test(got.text) ? `\`${quote(got.text)}\`` : 'other text'} in line ${got.line}` : 'the end'}`,
    );
  };
  const scalar = (): Value => {
    const token = tokens[at]?.text;
    if (token === undefined || /^[{}:[\]]$/.test(token) || token === '"' || token === "'") return fail('a value');
    at++;
    if (/^["']/.test(token)) {
      let joined = unquote(token);
      // Adjacent strings are concatenated, as in C.
      while (/^["']./.test(tokens[at]?.text ?? '')) joined += unquote(tokens[at++]!.text);
      return joined;
    }
    if (NUMBER.test(token)) return Number.parseFloat(token);
    if (token === 'true' || token === 'false') return token === 'true';
    // Caffe's parser accepts further syntax, such as `<` for a message. Rejecting it ensures that both parsers read the same.
    if (!WORD.test(token)) {
      at--;
      return fail('a value');
    }
    return new Word(token);
  };
  const fields = (nested: boolean): Message => {
    const list: Field[] = [];
    for (;;) {
      const token = tokens[at]?.text;
      if (token === undefined) return nested ? fail('`}`') : new Message(list);
      if (token === '}') {
        if (!nested) return fail('a field');
        at++;
        return new Message(list);
      }
      if (!/^[A-Za-z_]\w*$/.test(token)) return fail('the name of a field');
      at++;
      const colon = tokens[at]?.text === ':';
      if (colon) at++;
      if (tokens[at]?.text === '{') {
        at++;
        list.push([token, fields(true)]);
      } else if (!colon) return fail('`:` or `{`');
      else if (tokens[at]?.text === '[') {
        at++;
        while (tokens[at]?.text !== ']') list.push([token, scalar()]);
        at++;
      } else list.push([token, scalar()]);
    }
  };
  return fields(false);
}

/** Prints a message with two spaces a level; a message of plain values takes one line if it fits into `LINE` characters. */
export function printPrototxt(root: Message): string {
  return root.fields.map(field => print(field, '')).join('');
}

const LINE = 100;

function print([name, value]: Field, indent: string): string {
  if (!(value instanceof Message)) return `${indent}${name}: ${literal(value)}\n`;
  if (value.fields.every(field => !(field[1] instanceof Message))) {
    const inner = value.fields
      .map(([field, item]) => `${field}: ${literal(item as Exclude<Value, Message>)} `)
      .join('');
    const line = `${indent}${name} { ${inner}}`;
    if (line.length <= LINE) return `${line}\n`;
  }
  return `${indent}${name} {\n${value.fields.map(field => print(field, `${indent}  `)).join('')}${indent}}\n`;
}

function literal(value: Exclude<Value, Message>): string {
  if (value instanceof Word) return value.text;
  if (typeof value !== 'string') return String(value);
  return `"${value.replaceAll(/[\\"]/g, char => `\\${char}`).replaceAll('\n', '\\n')}"`;
}

function unquote(token: string): string {
  return token.slice(1, -1).replaceAll(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char));
}
