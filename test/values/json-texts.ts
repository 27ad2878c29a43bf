/** Why a JSON text cannot be a payload, and where. */
export interface Refused {
  status: 400 | 413 | 422
  code: 'invalid_json' | 'invalid_job' | 'payload_too_large'
  /** Of the offending value, inside the payload. Absent where the text is broken before anything can have a place. */
  path?: string | RegExp
}

/** A payload as it comes over a wire: the text or the bytes, and what becomes of it. */
export interface JsonText {
  name: string
  json(): string | Uint8Array
  /** Undefined: it is stored, and given back digit for digit. */
  refused?: Refused
  /** It breaks the body that it stands in: each road says so in its own words. */
  breaksBody?: true
  /** Too long for a row of a table of tests that is sent over every road. */
  large?: true
}

const value = (path: string | RegExp): Refused => ({ status: 422, code: 'invalid_job', path })
const tooLarge: Refused = { status: 413, code: 'payload_too_large' }
const nested = (depth: number, open = '[', close = ']', core = '') => open.repeat(depth) + core + close.repeat(depth)
const members = (count: number, key: (index: number) => string) =>
  `{${Array.from({ length: count }, (_, index) => `"${key(index)}":0`).join(',')}}`

const MIB = 1_048_576

function taken(name: string, json: string): JsonText {
  return { name, json: () => json }
}
function refused(name: string, json: string | Uint8Array, why: Refused): JsonText {
  return { name, json: () => json, refused: why }
}
function broken(name: string, json: string | Uint8Array): JsonText {
  return { name, json: () => json, refused: { status: 400, code: 'invalid_json' }, breaksBody: true }
}
function large(name: string, json: () => string, why?: Refused): JsonText {
  return { name, json, large: true, ...(why && { refused: why }) }
}

export const JSON_TEXTS: JsonText[] = [
  // Numbers: what a float of 64 bits would change or lose.
  taken('2^53 + 1', '9007199254740993'),
  taken('-2^53 - 1', '-9007199254740993'),
  taken('an integer of 30 digits', '123456789012345678901234567890'),
  taken('a fraction with more digits than a float has', '0.1000000000000000055511151231257827'),
  taken('minus zero', '-0'),
  taken('minus zero with a fraction', '[-0.0,-0e0,-0.000e-5]'),
  taken('an exponent with a capital and a plus', '[1E+2,1e-2,1.50E+1]'),
  taken('a zero with a great exponent', '[0e308,0e99999]'),
  taken('a float beyond the greatest', '1e400'),
  taken('a float below the least', '1e-400'),
  taken('the greatest float and one that rounds to infinity', '[1.7976931348623157e308,1.7976931348623159e308]'),
  taken('a number of 1,000 digits', '9'.repeat(1_000)),
  taken('a fraction of 999 digits', `0.${'3'.repeat(999)}`),
  taken('1e999', '1e999'),
  refused('a number of 1,001 digits', `{"n":${'9'.repeat(1_001)}}`, value('n')),
  refused('a fraction of 1,000 digits', `[0.${'3'.repeat(1_000)}]`, value('[0]')),
  refused('1e1000', '{"a":[1e1000]}', value('a[0]')),
  refused('1e131071', '{"a":{"b":1e131071}}', value('a.b')),
  refused('1e200000', '[1,1e200000]', value('[1]')),
  refused('-1e200000', '[-1e200000]', value('[0]')),
  refused('1e-200000', '[1e-200000]', value('[0]')),
  refused('an exponent of 20 digits', '[1e99999999999999999999]', value('[0]')),
  refused('a zero with an exponent of 20 digits', '[0e99999999999999999999]', value('[0]')),
  broken('a number with a leading zero', '01'),
  broken('a number with a leading plus', '+1'),
  broken('a hexadecimal number', '0x10'),
  broken('NaN', 'NaN'),
  broken('-Infinity', '-Infinity'),
  broken('a fraction without digits', '1.'),
  broken('an exponent without digits', '1e'),
  broken('a BigInt literal', '1n'),
  broken('a number in other digits', '１２'),

  // Characters.
  refused('NUL escaped', String.raw`{"a":"x\u0000y"}`, value('a')),
  refused('NUL escaped in a key', String.raw`{"o":{"k\u0000":1}}`, value(/^o/)),
  refused('NUL escaped behind an escaped backslash', String.raw`["\\\u0000"]`, value('[0]')),
  taken('a backslash before u0000', String.raw`["\\u0000"]`),
  broken('NUL raw in a string', '"a\0b"'),
  broken('NUL raw between values', '[1,\0 2]'),
  broken('a raw line feed in a string', '"a\nb"'),
  broken('a raw escape in a string', '"\x1b[31m"'),
  refused('a high surrogate alone', String.raw`{"a":"\ud83e"}`, value('a')),
  refused('a low surrogate alone', String.raw`["x","\uDD81"]`, value('[1]')),
  refused('surrogates in the wrong order', String.raw`["\udd81\ud83e"]`, value('[0]')),
  refused('a high surrogate before an escape', String.raw`["\ud83e\n"]`, value('[0]')),
  refused('a lone surrogate in a key', String.raw`{"\ud800":1}`, value(/^/)),
  taken('a pair of surrogates', String.raw`["\ud83e\udd81","\uD83E\uDD81"]`),
  taken('a lion as it is', '["🦁"]'),
  taken('a family of emoji', '["👩‍👩‍👧‍👦","🏳️‍🌈"]'),
  taken('combining characters and their composed form', '{"é":"e\u0301","e\u0301":"é"}'),
  taken('four hundred combining marks', `["Z${'\u0336'.repeat(400)}"]`),
  taken('right-to-left marks and overrides', '["\u202eevil\u202c","\u2066x\u2069","\u200f"]'),
  taken('a byte order mark inside of a string', '["\ufeffa"]'),
  taken('noncharacters', '["\ufffe\uffff\u{10ffff}"]'),
  taken('the replacement character', '["\ufffd"]'),
  taken('line and paragraph separators', '["\u2028\u2029"]'),
  taken('controls that are escaped', String.raw`["\u0001\u001f\u007f\u009b"]`),
  taken('terminal escapes', String.raw`["\u001b[2J\u001b]0;title\u0007\u001b[31m"]`),
  taken('C1 controls as they are', '["\u009b31m\u0085"]'),
  taken('every short escape', String.raw`["\"\\\/\b\f\n\r\t"]`),
  taken('private use and unassigned characters', '["\ue000\u{f0000}\u0378"]'),
  broken('an escape that does not exist', String.raw`"\x41"`),
  broken('a short unicode escape', String.raw`"\u12"`),
  broken('single quotes', "'a'"),
  broken('curly quotes', '“a”'),
  broken('bytes that are not UTF-8', new Uint8Array([0x22, 0xff, 0xfe, 0x22])),
  broken('UTF-8 of a surrogate', new Uint8Array([0x22, 0xed, 0xa0, 0x80, 0x22])),
  broken('an overlong NUL', new Uint8Array([0x22, 0xc0, 0x80, 0x22])),
  broken('a character beyond U+10FFFF', new Uint8Array([0x22, 0xf4, 0x90, 0x80, 0x80, 0x22])),
  broken('half a character at the end of a string', new Uint8Array([0x22, 0xf0, 0x9f, 0xa6, 0x22])),
  broken('Latin-1', new Uint8Array([0x22, 0xe9, 0x22])),
  broken('a byte order mark before the value', '\ufeff1'),
  broken('a no-break space before the value', '\u00a01'),

  // Keys and structure.
  taken('__proto__ and constructor', '{"__proto__":{"x":1},"constructor":{"prototype":{"y":2}},"hasOwnProperty":0}'),
  taken('toJSON and then', '{"toJSON":1,"then":2,"valueOf":null,"toString":[]}'),
  taken('an empty key, dots and brackets', '{"":0,"a.b":1,"[0]":2,"a b":3,"\\"":4}'),
  taken('keys like numbers', '{"1":0,"01":1,"1e0":2,"-1":3}'),
  taken('keys that look alike', '{"a":1,"а":2,"A":3}'),
  taken('a text like JSON', JSON.stringify(JSON.stringify({ a: [1] }))),
  taken('a text like SQL', String.raw`["'; drop table forgeq.jobs; --","$1","\\x00","%s","{}"]`),
  taken('a text like markup', '["<script>alert(1)</script>","${7*7}","{{7*7}}"]'),
  taken('white space of JSON', ' \t\r\n{ "a" :\t[ ] } '.replaceAll(/[\r\n]/g, ' ')),
  taken('null', 'null'),
  taken('an empty text', '""'),
  taken('a key of 10,000 characters', `{"${'k'.repeat(10_000)}":1}`),
  refused('a key twice', '{"a":{"b":1,"b":2}}', value('a.b')),
  refused('a key twice, once escaped', String.raw`{"a":1,"\u0061":2}`, value('a')),
  refused('__proto__ twice', '{"__proto__":1,"__proto__":2}', value('__proto__')),
  broken('a comma too many in an object', '{"a":1,}'),
  broken('a comma too many in an array', '[1,]'),
  broken('a comment', '[1/* one */]'),
  broken('a key without quotes', '{a:1}'),
  broken('an array that does not end', '[1'),
  broken('an object that is closed as an array', '{"a":1]'),
  broken('a word in capitals', 'True'),
  broken('undefined', 'undefined'),
  broken('nothing', ''),
  taken('2,000 levels', nested(2_000)),
  taken('2,000 levels of objects', nested(1_999, '{"a":', '}', '{}')),
  refused('2,001 levels', nested(2_001), value(/^\[0\]/)),
  refused('50,000 levels', nested(50_000), value(/^\[0\]/)),
  refused('50,000 levels of objects', nested(50_000, '{"a":', '}', '1'), value(/^a\.a/)),
  broken('50,000 levels that never close', '['.repeat(50_000)),

  // Size.
  large('1e131071, 100,000 times in 1 MiB', () => `[${Array(100_000).fill('1e131071').join(',')}]`, value('[0]')),
  large('1e999, 100,000 times: 100 MB as it is stored', () => `[${Array(100_000).fill('1e999').join(',')}]`, tooLarge),
  large('exactly 1 MiB', () => `"${'x'.repeat(MIB - 2)}"`),
  large('a byte more than 1 MiB', () => `"${'x'.repeat(MIB - 1)}"`, tooLarge),
  large('1 MiB of escapes that are short when stored', () => `"${String.raw`\u0041`.repeat(MIB - 2)}"`),
  large('a million keys', () => members(1_000_000, (index) => index.toString(36)), tooLarge),
  large('80,000 keys', () => members(80_000, (index) => index.toString(36))),
  large('a million keys that are the same', () => members(1_000_000, () => 'k'), value('k')),
  large('a million empty arrays', () => `[${Array(1_000_000).fill('[]').join(',')}]`, tooLarge),
  large('50 MB', () => `"${'x'.repeat(50_000_000)}"`, tooLarge),
  large('300,000 lions', () => `"${'🦁'.repeat(300_000)}"`, tooLarge),
]
