/** JSON as text, for the roads on which no number may lose a digit. Each part has a file of its own. */
export { canonicalJson } from './json-canonical.ts'
export { checkJson, MAX_JSON_DEPTH, type JsonCheck, type JsonLimits } from './json-check.ts'
export { joinPath } from './json-path.ts'
export { elementSpans, memberSpans, type MemberSpans, type Span } from './json-spans.ts'
